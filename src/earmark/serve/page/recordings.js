// The folder of recordings: a job that hears it, events by hour and tag, and the files.
import { clock, element, json, latest, numbered, play, post, query, say, unplayed, words } from "./api.js";
import { onPage } from "./ways.js";

const at = (id) => document.getElementById(id), STEP = 100, OFTEN = 1500, SELDOM = 5000; // ms between two looks at a job; where the last one failed
const named = latest(() => later(look)), watched = latest(() => later(watch)), counted = latest(), listed = latest(), filed = latest();
let tagger, job = null, watching, cell = null, shownFiles = 0, shownFound = 0, player = new Audio(), playing = null;

export function start(state, which) {
  tagger = which;
  if (!state.folder) { at("no-folder").hidden = false; return; }
  at("with-folder").hidden = false;
  at("begin").addEventListener("click", begin);
  at("resume").addEventListener("click", async () => { say(""); await attempt(() => post(`v1/jobs/${job.id}/resume`, {})); watch(); });
  at("retry").addEventListener("click", async () => { say(""); await attempt(() => post(`v1/jobs/${job.id}/retry`, {})); watch(); });
  at("stop").addEventListener("click", async () => { await attempt(() => post(`v1/jobs/${job.id}/stop`, {})); watch(); });
  at("job").addEventListener("change", () => { forget(); watch(); });
  at("least").addEventListener("input", () => { clearTimeout(at("least").later); at("least").later = setTimeout(surer, 150); at("least-told").textContent = Number(at("least").value).toFixed(2); });
  at("filter").addEventListener("input", () => { clearTimeout(at("filter").later); at("filter").later = setTimeout(() => files(), 150); });
  for (const id of ["gain", "salvage"]) at(id).addEventListener("input", worded);
  at("only").addEventListener("change", () => files());
  at("more").addEventListener("click", () => list(true));
  at("more-files").addEventListener("click", () => files(true));
  at("least-told").textContent = "0.00";
  player.addEventListener("ended", quiet);
}

export function open(state) { if (state.folder) look(); }
export function leave() { clearTimeout(watching); quiet(); }
export const asked = () => at("job").value && watch(); // another tagger was chosen

async function attempt(work) { try { return await work(); } catch (error) { say(error.message, true); return null; } }

function later(work, wait = SELDOM) { clearTimeout(watching); if (!at("recordings").hidden) watching = setTimeout(work, wait); }

async function look() { if (await jobs()) { watch(); files(); } }

function jobs(chosen = at("job").value) { // whether they are known
  return named((signal) => json("v1/jobs", { signal }), ({ jobs }) => {
    at("job").replaceChildren(...jobs.map((each) => new Option(`${each.tagger}, ${[limit(each.rules), ...heardSo(each)].join(", ")} · ${each.begun.slice(0, 10)}`, each.id)));
    if (!jobs.length) at("job").append(new Option("nobody yet", ""));
    if (jobs.some((each) => String(each.id) === String(chosen))) at("job").value = chosen;
    return true;
  });
}

function forget() { // what another job found
  job = cell = null;
  for (const each of [counted, listed, filed]) each.drop();
  at("counts").tHead.replaceChildren(); at("counts").tBodies[0].replaceChildren(); at("counts-told").textContent = at("job-told").textContent = "";
  at("listed").hidden = at("table-csv").hidden = at("progress").hidden = at("stop").hidden = at("retry").hidden = at("resume").hidden = true;
  quiet();
}

function surer() { if (job) { counts(); if (cell) list(); } }

function limit(rules) {
  const values = new Set(Object.values(rules.thresholds));
  return values.size === 1 ? `threshold ${[...values][0]}` : "its own thresholds";
}

const heardSo = ({ engine, gain, salvage }) => [...(engine && !engine.includes("float32") ? [engine] : []), ...(gain ? [`${gain > 0 ? "+" : "−"}${Math.abs(gain)} dB`] : []), ...(salvage ? ["damaged ones too"] : [])];
const how = () => ({ gain: Number(at("gain").value), salvage: at("salvage").checked });

function worded() { // the button: the same goes on, anything else is another job
  const { gain, salvage } = how(), same = job && job.goes_on && job.served === tagger().name && job.gain === gain && job.salvage === salvage;
  at("begin").textContent = same && job.usual ? "Hear what is new" : "Hear them all";
  at("resume").hidden = !same || job.usual || job.state === "running"; // one with rules of its own, which only it goes on with
  if (same) at("resume").textContent = `Hear what is new, by ${limit(job.rules)}`;
}

async function begin() {
  if (!at("gain").reportValidity()) return;
  say("");
  const made = await attempt(() => post("v1/jobs", { tagger: tagger().name, ...how() }));
  if (!made || !await jobs(made.id)) return;
  if (job?.id !== made.id) forget();
  at("job").value = made.id; watch();
}

function watch() {
  clearTimeout(watching);
  const id = at("job").value;
  worded();
  if (!id) { at("counts-told").textContent = "Nothing is heard yet."; return undefined; }
  return watched((signal) => json(`v1/jobs/${id}`, { signal }), (told) => {
    const moved = !job || job.done !== told.done || job.state !== told.state;
    if (!job) { at("gain").value = told.gain; at("salvage").checked = told.salvage; } // what is chosen later stands
    job = told; worded();
    const runs = job.state === "running";
    at("progress").hidden = !runs; at("progress").value = job.total ? job.done / job.total : 0;
    at("stop").hidden = !runs; at("begin").disabled = runs;
    at("retry").hidden = runs || !job.unread || !job.goes_on;
    at("table-csv").hidden = !job.events; at("table-csv").href = `v1/jobs/${id}/table?format=csv`;
    at("job-told").textContent = `${job.done.toLocaleString("en")} of ${numbered(job.total, "recording")} heard (${clock(job.seconds, 0)}), ${numbered(job.events, "event")}` +
      `${job.silent ? `, ${job.silent.toLocaleString("en")} silent` : ""}${job.noted ? `, ${numbered(job.noted, "with notes", "with notes")}` : ""}${job.unread ? `, ${job.unread.toLocaleString("en")} could not be read` : ""}${runs ? " …" : job.state === "done" ? "." : `; ${job.state}.`}` +
      `${job.gone ? ` ${job.gone === 1 ? "One that was heard is" : `${job.gone.toLocaleString("en")} that were heard are`} not in the folder any more, or not as it was then: what was found there is kept, and counts again once it is back.` : ""}`;
    counts();
    if (moved) { files(); if (cell) list(); }
    if (runs) later(watch, OFTEN);
  });
}

function counts() {
  return counted((signal) => json(`v1/jobs/${job.id}/counts?${query({ score: at("least").value })}`, { signal }), (told) => {
    const most = Math.max(1, ...told.rows.flatMap((row) => row.counts));
    const untold = told.rows.reduce((sum, row) => sum + row.all - row.counts.reduce((a, b) => a + b, 0), 0);
    at("counts-told").textContent = !told.rows.length ? "No events." : told.by === "clock" ? `Hours of the day, by the times in the recordings' names${untold ? `; ${numbered(untold, "event is in a recording whose name tells", "events are in recordings whose names tell")} none` : ""}.`
      : "Hours since each recording began: of half the events or more the recordings' names tell no time of day, as 20260514_053000.wav does.";
    at("counts").tHead.replaceChildren(element("tr", {}, element("th", { className: "words" }, "Tag"), ...told.hours.map((hour) => element("th", { scope: "col" }, told.by === "clock" ? String(hour).padStart(2, "0") : String(hour + 1))), element("th", {}, "All")));
    at("counts").tBodies[0].replaceChildren(...told.rows.map((row) => element("tr", {}, element("th", { className: "words", scope: "row" }, words(row.tag)),
      ...row.counts.map((count, hour) => count ? shaded(count, most, row.tag, hour, told.by) : element("td", {})),
      element("td", {}, button(row.all, row.tag, null, told.by)))));
  });
}

function shaded(count, most, tag, hour, by) {
  const made = element("td", {}, button(count, tag, hour, by));
  made.style.background = `color-mix(in srgb, var(--accent) ${Math.round(8 + 50 * Math.sqrt(count / most))}%, transparent)`;
  return made;
}

const when = (hour, by) => hour === null ? "" : by === "clock" ? ` from ${hour} to ${hour + 1} o'clock` : ` in hour ${hour + 1}`;
const button = (count, tag, hour, by) => element("button", { type: "button", ariaLabel: `${numbered(count, "event")} of ${words(tag)}${when(hour, by)}: list them`,
  onclick: async () => { cell = { tag, hour, by }; await list(); at("listed-head").focus(); at("listed-head").scrollIntoView({ block: "start", behavior: "smooth" }); } }, String(count));

function list(more = false) {
  const first = more ? shownFound : 0, { tag, hour, by } = cell;
  return listed((signal) => json(`v1/jobs/${job.id}/events?${query({ tag, hour, score: at("least").value, order: "score", first, most: STEP })}`, { signal }), (told) => {
    at("listed").hidden = false;
    at("listed-head").textContent = `${words(tag)}${when(hour, by)}: ${told.total.toLocaleString("en")}`;
    const rows = told.events.map((event) => element("tr", {},
      element("td", { className: "words file" }, element("a", { href: `#listen/${event.recording}` }, event.name)),
      ...[event.onset, event.offset].map((time) => element("td", {}, clock(time, 2))), element("td", {}, event.score.toFixed(2)),
      element("td", {}, element("button", { className: "small", type: "button", value: event.id, ariaLabel: `Play ${words(event.tag)} at ${clock(event.onset)} of ${event.name}`, onclick: (pressed) => hear(event, pressed.currentTarget) }, "Play"))));
    at("found").tBodies[0][more ? "append" : "replaceChildren"](...rows);
    if (playing && !playing.isConnected) held(rows.map((row) => row.querySelector("button")).find((each) => each.value === playing.value));
    shownFound = first + rows.length;
    at("more").hidden = shownFound >= told.total;
  });
}

function hear(event, pressed) {
  const same = playing === pressed;
  quiet();
  if (same) return;
  held(pressed);
  play(player, `v1/recordings/${event.recording}/audio?${query({ start: event.onset, end: event.offset })}`).catch((error) => {
    if (error.name !== "AbortError") quiet();
    unplayed(error);
  });
}

function held(pressed) { // by which what is played is stopped
  playing = pressed;
  if (playing) playing.textContent = "Stop"; else player.pause();
}

function quiet() { player.pause(); if (playing) playing.textContent = "Play"; playing = null; }

const bare = ({ name, notes }) => (notes ?? []).map((told) => (told.startsWith(`${name}: `) ? told.slice(name.length + 2) : told));

function files(more = false) {
  const first = more ? shownFiles : 0;
  return filed((signal) => json(`v1/recordings?${query({ job: at("job").value, name: at("filter").value, only: at("job").value && at("only").value, first, most: STEP })}`, { signal }), (told) => {
    at("files-told").textContent = `${numbered(told.total, "recording")}${told.passed_over ? `; ${told.passed_over}` : ""}.`;
    const rows = told.recordings.map((each) => element("tr", {}, element("td", { className: "words file" }, each.error ? each.name : element("a", { href: `#listen/${each.id}` }, each.name), 
        ...(each.error ? [each.error] : bare(each)).map((told) => element("p", { className: "aside" }, onPage(told)))),
      element("td", {}, each.seconds === null ? "" : clock(each.seconds)), element("td", {}, each.state === "heard" ? String(each.events) : ""),
      element("td", { className: "words" }, each.error ? "cannot be read" : each.silent ? "silent" : each.state)));
    at("files").tBodies[0][more ? "append" : "replaceChildren"](...rows);
    shownFiles = first + rows.length;
    at("more-files").hidden = shownFiles >= told.total;
  });
}
