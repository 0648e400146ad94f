// One event after the other: right, wrong, another tag, other edges; and what the answers say of the tagger so far.
import { json, ask, clock, element, post, query, say, words } from "./api.js";
import { Edges } from "./edges.js";
import * as examples from "./examples.js";
import * as training from "./training.js";
import { View } from "./view.js";

const at = (id) => document.getElementById(id), AROUND = 3, REST = 200; // s shown before and after, ms until more is asked for
const BY = {
  attention: "The frame marks what the net's attention made count: weights times the window's score.",
  frames: "The frame marks the moments whose own scores are half of the highest or more.",
  windows: "The frame marks where the windows that hold it agree most, each moved on by an eighth of its length: this tagger tells no moments.",
};
let asking = new AbortController(), resting, jobs = [], view, edges, folder = false, event = null, drawn = null, busy = false;

export function start(state, which, renew) {
  training.start(served, async () => { await renew(); await open(); });
  folder = state.folder;
  view = new View(at("review-view"));
  view.failed = (error) => say(error.message, true);
  edges = new Edges(view, told);
  examples.start(() => view.stop());
  at("other-tags").replaceChildren(...[...new Set(state.taggers.flatMap((each) => each.tags))].map((tag) => new Option(tag)));
  for (const id of ["review-job", "review-tag", "review-order", "review-below"]) at(id).addEventListener("change", () => (id === "review-job" ? tags().then(next).then(training.show) : next()));
  for (const said of ["right", "wrong", "unsure"]) at(said).addEventListener("click", () => answer(said));
  at("again").addEventListener("click", again);
  at("other").addEventListener("click", other);
  at("undo").addEventListener("click", undo);
  at("other-form").addEventListener("submit", (submitted) => { submitted.preventDefault(); answer("other", at("other-tag").value); });
  at("other-tag").addEventListener("keydown", (pressed) => { if (pressed.key === "Escape") { at("other-form").hidden = true; at("review-view").focus(); } });
  document.addEventListener("keydown", key);
}

export async function open() {
  const told = folder ? await attempt(() => json("v1/jobs")) : { jobs: [] };
  jobs = (told?.jobs ?? []).filter((each) => each.events || each.candidates);
  const none = !jobs.length;
  at("no-review").hidden = !none; at("with-review").hidden = none;
  at("no-review").textContent = folder ? "There are no events yet: let a tagger hear the folder, under Recordings." : "This service was started without a folder of recordings, and reviews are of what was heard in one.";
  if (none) return;
  const chosen = at("review-job").value;
  at("review-job").replaceChildren(...jobs.map((each) => new Option(`${each.tagger} · ${each.begun.slice(0, 10)} · ${each.events} events`, each.id)));
  if (jobs.some((each) => String(each.id) === chosen)) at("review-job").value = chosen;
  await tags();
  await next();
  await training.show();
}
export function leave() { view?.stop(); examples.quiet(); training.leave(); }

async function attempt(work) { try { return await work(); } catch (error) { if (error.name !== "AbortError") say(error.message, true); return null; } }
const served = () => jobs.find((each) => String(each.id) === job())?.served ?? null; // the name of the tagger of these events now
const job = () => at("review-job").value, about = () => query({ tag: at("review-tag").value, order: at("review-order").value, below: at("review-below").value });

async function tags() {
  const told = await attempt(() => json(`v1/jobs/${job()}/counts`)), chosen = at("review-tag").value;
  at("review-tag").replaceChildren(new Option("all", ""), ...(told?.rows ?? []).map((row) => new Option(`${words(row.tag)} (${row.all})`, row.tag)));
  if (told?.rows.some((row) => row.tag === chosen)) at("review-tag").value = chosen;
  at("reviews-csv").href = `v1/jobs/${job()}/reviews`;
}

async function next() {
  const told = await attempt(() => json(`v1/jobs/${job()}/next?${about()}`));
  if (told) await show(told.event, told.drawn, told.left);
}

async function show(found, why, left, moved = null) {
  view.stop(); examples.quiet();
  asking.abort(); asking = new AbortController(); clearTimeout(resting); // who answers fast leaves nothing behind that is still asked for
  event = found; drawn = why;
  at("other-form").hidden = true; at("other-tag").value = "";
  figures(left);
  at("judged").hidden = !event; at("all-judged").hidden = !!event;
  edges.show(event, moved);
  if (!event) return;
  at("question").textContent = `Is this ${words(event.tag)}?`;
  at("cause-told").textContent = "";
  draw(event); // not waited for: who knows the answer already may give it
}

function told() { // where it is, and why it is asked
  if (!event) return;
  const [from, to] = edges.now, why = event.below ? "not sure enough to be told" : drawn === "random" ? "drawn by chance" : drawn === "chosen" || !drawn ? "" : `of the ${drawn === "surest" ? "surest" : "least sure"}`;
  at("question-told").textContent = `${event.name}, ${clock(from, 2)} to ${clock(to, 2)}${edges.moved ? ` (moved; it was found from ${clock(event.onset, 2)} to ${clock(event.offset, 2)})` : ""}, score ${event.score.toFixed(2)}${why ? `, ${why}` : ""}`;
}

async function draw(asked) {
  const { signal } = asking, recording = await attempt(() => json(`v1/recordings/${asked.recording}`, { signal }));
  if (!recording || asked !== event) return;
  const start = Math.max(0, event.onset - AROUND), end = event.offset + AROUND, span = edges.now;
  view.show(recording, start, end);
  view.span = span;
  view.scores = { times: [event.onset, event.offset], tags: [{ label: event.tag, threshold: 0, values: [event.score, event.score] }] };
  view.heard(null, [{ label: event.tag, onset: event.onset, offset: event.offset, score: event.score }]);
  view.mark = span[0]; view.draw();
  const held = document.activeElement; // who went on to something else, such as the button to train again, stays there; who writes what it is, too
  const lies = (part) => at(part).contains(held);
  if ([document.body, at("main")].includes(held) || (lies("judged") && !lies("review-view") && !lies("other-form"))) at("review-view").focus({ preventScroll: true });
  again();
  resting = setTimeout(() => { examples.show(job(), asked, signal); mark(asked, recording, start, Math.min(end, recording.seconds), signal); }, REST);
}

async function mark(asked, recording, start, end, signal) { // what made the tagger tell it; nothing where that tagger is not served any more
  const whole = end - start > 60 ? [asked.onset, Math.min(end, asked.onset + 60)] : [start, end], tagger = served();
  if (!tagger) return;
  try {
    const cause = await json(`v1/recordings/${recording.id}/cause?${query({ tagger, tag: asked.tag, start: whole[0], end: whole[1] })}`, { signal });
    if (asked !== event) return;
    view.cause = cause; view.draw();
    at("cause-told").textContent = BY[cause.by];
  } catch (error) { if (asked === event && error.status !== 404) at("cause-told").textContent = error.message; }
}

async function figures(left) {
  const told = await attempt(() => json(`v1/jobs/${job()}/figures?${query({ tag: at("review-tag").value })}`));
  if (!told) return;
  const percent = (share) => `${Math.round(100 * share)} %`;
  at("figures").replaceChildren(
    element("span", {}, "Answers ", element("b", {}, String(told.asked))), element("span", {}, "right ", element("b", {}, `${told.right} of ${told.judged}`)),
    element("span", {}, "precision ", element("b", {}, told.precision === null ? "not known yet" : `${percent(told.precision)} (${percent(told.low)} to ${percent(told.high)})`), told.precision === null ? "" : `, by ${told.sample} drawn by chance`),
    told.candidates ? element("span", {}, "just not found ", element("b", {}, `${told.missed} right of ${told.candidates}`)) : "",
    element("span", {}, "left ", element("b", {}, (left ?? 0).toLocaleString("en"))));
}

function again() { if (event) { view.stop(); view.play(...edges.now); } }
function other() { if (busy) return; at("other-form").hidden = false; at("other-tag").focus(); }

function occupied(now) { busy = now; at("review").setAttribute("aria-busy", now); }

async function answer(said, tag = "") {
  if (!event || busy) return;
  occupied(true); // a key that is held down says it once
  try { 
    const [onset, offset] = edges.moved && (said === "right" || said === "other") ? edges.now : [null, null];
    await post(`v1/jobs/${job()}/reviews`, { event: event.id, answer: said, other: tag, drawn: drawn ?? "chosen", onset, offset });
    say(""); training.later(); await next();
  }
  catch (error) { say(error.message, true); }
  finally { occupied(false); }
}

async function undo() {
  if (busy || edges.undo()) return;
  occupied(true); // an answer that came meanwhile would be the one that is taken back
  try {
    const told = await (await ask(`v1/jobs/${job()}/reviews/last`, { method: "DELETE" })).json();
    if (!told.event) return say("There is no answer to take back.");
    training.later();
    at("review-below").value = told.event.below ? "true" : "";
    const { left } = await json(`v1/jobs/${job()}/next?${about()}`);
    await show(told.event, told.drawn, left, told.onset === null ? null : [told.onset, told.offset]);
  } catch (error) { say(error.message, true); }
  finally { occupied(false); }
}

function key(pressed) {
  if (at("review").hidden || !event || pressed.ctrlKey || pressed.metaKey || pressed.altKey || pressed.repeat) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(pressed.target.tagName)) return;
  const keys = { r: () => answer("right"), w: () => answer("wrong"), u: () => answer("unsure"), o: other, z: undo, s: () => edges.take(0), e: () => edges.take(1), x: examples.next };
  if (pressed.key === " " && pressed.target.tagName !== "BUTTON") keys[" "] = again;
  const act = keys[pressed.key.toLowerCase()];
  if (act) { act(); pressed.preventDefault(); }
}
