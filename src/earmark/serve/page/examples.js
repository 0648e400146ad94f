// Sounds of the same tag beside an event: clips that taggers learnt from, and what was said to be right.
import { ask, clock, element, json, play, query, unplayed, words } from "./api.js";
import { coloured, pixels } from "./view.js";

const at = (id) => document.getElementById(id), LONGEST = 10, WIDE = 240, TALL = 72; // s, px
const player = new Audio();
let playing = null, turn = 0, before = () => {}, asked = null;

export function start(onPlay) { before = onPlay; player.addEventListener("ended", quiet); }

export function quiet() {
  player.pause();
  if (playing) playing.textContent = "Play";
  playing = null;
}

export function next() { const all = at("examples").querySelectorAll("button"); if (all.length) all[turn++ % all.length].click(); }

export async function show(job, event, signal) {
  asked = event; turn = 0;
  let told;
  try { told = await json(`v1/jobs/${job}/examples?${query({ tag: event.tag, event: event.id })}`, { signal }); }
  catch { told = { examples: [] }; }
  if (asked !== event) return;
  at("with-examples").hidden = !told.examples.length;
  at("examples-head").textContent = `Other sounds of ${words(event.tag)}`;
  at("examples").replaceChildren(...told.examples.map((each) => one(each, event, signal)));
}

function one(example, event, signal) {
  const { recording, onset } = example, end = Math.min(example.offset, onset + LONGEST), canvas = element("canvas", { width: WIDE, height: TALL });
  const source = example.source === "clip" ? "a clip learnt from" : "said to be right";
  const button = element("button", { type: "button", className: "small", ariaLabel: `Play ${words(event.tag)} of ${example.name}` }, "Play");
  button.addEventListener("click", () => {
    const same = playing === button;
    before(); quiet();
    if (same) return;
    playing = button; button.textContent = "Stop";
    play(player, `v1/recordings/${recording}/audio?${query({ start: onset, end })}`).catch((error) => {
      if (playing === button && error.name !== "AbortError") quiet();
      unplayed(error);
    });
  });
  draw(canvas, recording, onset, end, signal);
  return element("li", {}, canvas, element("p", {}, element("span", { title: example.name }, `${source} · ${clock(end - onset)} · ${example.name}`), button));
}

async function draw(canvas, recording, start, end, signal) {
  try {
    const image = await pixels(await ask(`v1/recordings/${recording}/spectrogram?${query({ start, end, width: WIDE, height: TALL, scale: "mel" })}`, { signal }));
    canvas.getContext("2d").drawImage(coloured(image, 80), 0, 0);
  } catch { /* it has left the folder, or another is asked for: its place stays dark */ }
}
