// One event after the other: right, wrong, another tag; and what the answers say of the tagger so far.
import { json, ask, clock, element, post, query, say, words } from "./api.js";
import { View } from "./view.js";

const at = (id) => document.getElementById(id), AROUND = 3; // s shown before and after
let view, folder = false, event = null, drawn = null, busy = false;

export function start(state) {
  folder = state.folder;
  view = new View(at("review-view"));
  view.failed = (error) => say(error.message, true);
  at("other-tags").replaceChildren(...[...new Set(state.taggers.flatMap((each) => each.tags))].map((tag) => new Option(tag)));
  for (const id of ["review-job", "review-tag", "review-order"]) at(id).addEventListener("change", () => (id === "review-job" ? tags().then(next) : next()));
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
  const jobs = (told?.jobs ?? []).filter((each) => each.events), none = !jobs.length;
  at("no-review").hidden = !none; at("with-review").hidden = none;
  at("no-review").textContent = folder ? "There are no events yet: let a tagger hear the folder, under Recordings." : "This service was started without a folder of recordings, and reviews are of what was heard in one.";
  if (none) return;
  const chosen = at("review-job").value;
  at("review-job").replaceChildren(...jobs.map((each) => new Option(`${each.tagger} · ${each.begun.slice(0, 10)} · ${each.events} events`, each.id)));
  if (jobs.some((each) => String(each.id) === chosen)) at("review-job").value = chosen;
  await tags();
  await next();
}
export function leave() { view?.stop(); }

async function attempt(work) { try { return await work(); } catch (error) { say(error.message, true); return null; } }
const job = () => at("review-job").value, about = () => query({ tag: at("review-tag").value, order: at("review-order").value });

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

async function show(found, why, left) {
  view.stop();
  event = found; drawn = why;
  at("other-form").hidden = true; at("other-tag").value = "";
  figures(left);
  at("judged").hidden = !event; at("all-judged").hidden = !!event;
  if (!event) return;
  at("question").textContent = `Is this ${words(event.tag)}?`;
  at("question-told").textContent = `${event.name}, ${clock(event.onset, 2)} to ${clock(event.offset, 2)}, score ${event.score.toFixed(2)}${drawn === "random" ? ", drawn by chance" : drawn ? `, of the ${drawn === "surest" ? "surest" : "least sure"}` : ""}`;
  draw(event); // not waited for: who knows the answer already may give it
}

async function draw(asked) {
  const recording = await attempt(() => json(`v1/recordings/${asked.recording}`));
  if (!recording || asked !== event) return;
  view.show(recording, Math.max(0, event.onset - AROUND), event.offset + AROUND);
  view.scores = { times: [event.onset, event.offset], tags: [{ label: event.tag, threshold: 0, values: [event.score, event.score] }] };
  view.heard(null, [{ label: event.tag, onset: event.onset, offset: event.offset, score: event.score }]);
  view.mark = event.onset; view.draw();
  at("review-view").focus({ preventScroll: true });
  again();
}

async function figures(left) {
  const told = await attempt(() => json(`v1/jobs/${job()}/figures?${query({ tag: at("review-tag").value })}`));
  if (!told) return;
  const percent = (share) => `${Math.round(100 * share)} %`;
  at("figures").replaceChildren(
    element("span", {}, "Answers ", element("b", {}, String(told.asked))), element("span", {}, "right ", element("b", {}, `${told.right} of ${told.judged}`)),
    element("span", {}, "precision ", element("b", {}, told.precision === null ? "not known yet" : `${percent(told.precision)} (${percent(told.low)} to ${percent(told.high)})`), told.precision === null ? "" : `, by ${told.sample} drawn by chance`),
    element("span", {}, "left ", element("b", {}, (left ?? 0).toLocaleString("en"))));
}

function again() { if (event) { view.stop(); view.play(event.onset, event.offset); } }
function other() { if (busy) return; at("other-form").hidden = false; at("other-tag").focus(); }

function occupied(now) { busy = now; at("review").setAttribute("aria-busy", now); }

async function answer(said, tag = "") {
  if (!event || busy) return;
  occupied(true); // a key that is held down says it once
  try { await post(`v1/jobs/${job()}/reviews`, { event: event.id, answer: said, other: tag, drawn: drawn ?? "chosen" }); say(""); await next(); }
  catch (error) { say(error.message, true); }
  finally { occupied(false); }
}

async function undo() {
  if (busy) return;
  occupied(true); // an answer that came meanwhile would be the one that is taken back
  try {
    const told = await (await ask(`v1/jobs/${job()}/reviews/last`, { method: "DELETE" })).json();
    if (!told.event) return say("There is no answer to take back.");
    const { left } = await json(`v1/jobs/${job()}/next?${about()}`);
    await show(told.event, told.drawn, left);
  } catch (error) { say(error.message, true); }
  finally { occupied(false); }
}

function key(pressed) {
  if (at("review").hidden || !event || pressed.ctrlKey || pressed.metaKey || pressed.altKey || pressed.repeat) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(pressed.target.tagName)) return;
  const keys = { r: () => answer("right"), w: () => answer("wrong"), u: () => answer("unsure"), o: other, z: undo };
  if (pressed.key === " " && pressed.target.tagName !== "BUTTON") keys[" "] = again;
  const act = keys[pressed.key.toLowerCase()];
  if (act) { act(); pressed.preventDefault(); }
}
