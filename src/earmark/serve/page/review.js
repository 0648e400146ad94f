// One event after the other: right, wrong, another tag, other edges; and what the answers say of the tagger so far.
import { json, clock, element, latest, numbered, post, query, say, words } from "./api.js";
import { Edges } from "./edges.js";
import * as examples from "./examples.js";
import * as training from "./training.js";
import { LONGEST, View } from "./view.js";
import { onPage } from "./ways.js";

const at = (id) => document.getElementById(id), AROUND = 3, PART = 60, REST = 200; // s shown before and after, s of an event too long for one picture, ms until more is asked for
const BY = {
  attention: "The frame marks what the net's attention made count: weights times the window's score.",
  frames: "The frame marks the moments whose own scores are half of the highest or more.",
  windows: "The frame marks where the windows that hold it agree most, each moved on by an eighth of its length: this tagger tells no moments.",
};
const listed = latest(unasked), asked = latest(unasked), counted = latest();
let drawing = new AbortController(), resting, jobs = [], view, edges, folder = false, event = null, of = null, drawn = null, busy = false, kept = null, whole = null;

export function start(state, which, renew) {
  training.start(served, async () => { await renew(); await open(); });
  folder = state.folder;
  view = new View(at("review-view"));
  edges = new Edges(view, told);
  examples.start(() => view.stop());
  at("other-tags").replaceChildren(...[...new Set(state.taggers.flatMap((each) => each.tags))].map((tag) => new Option(tag)));
  for (const id of ["review-job", "review-tag", "review-order", "review-below"]) at(id).addEventListener("change", async () => { if (await next(id === "review-job" || id === "review-below") && id === "review-job") training.show(); });
  for (const said of ["right", "wrong", "unsure"]) at(said).addEventListener("click", () => answer(said));
  at("again").addEventListener("click", again);
  at("other").addEventListener("click", other);
  for (const id of ["undo", "undo-last"]) at(id).addEventListener("click", undo);
  for (const [id, which] of [["to-start", 0], ["to-end", 1]]) at(id).addEventListener("click", () => edge(which));
  for (const name of Object.keys(zooms)) at(`review-${name}`).addEventListener("click", zooms[name]);
  at("ask-next").addEventListener("click", () => (jobs.length ? next(true) : open()));
  at("other-form").addEventListener("submit", (submitted) => { submitted.preventDefault(); answer("other", at("other-tag").value); });
  at("other-tag").addEventListener("keydown", (pressed) => { if (pressed.key === "Escape") { at("other-form").hidden = true; at("review-view").focus(); } });
  document.addEventListener("keydown", key);
}

export function open() {
  if (!folder) return begun([]);
  return listed((signal) => json("v1/jobs", { signal }), ({ jobs }) => begun(jobs));
}

async function begun(all) {
  jobs = all.filter((each) => each.events || each.candidates);
  const none = !jobs.length;
  at("no-review").hidden = !none; at("with-review").hidden = none;
  at("no-review").textContent = folder ? "There are no events yet: let a tagger hear the folder, under Recordings." : "This service was started without a folder of recordings, and reviews are of what was heard in one.";
  if (none) return;
  const chosen = at("review-job").value;
  at("review-job").replaceChildren(...jobs.map((each) => new Option(`${each.tagger} · ${each.begun.slice(0, 10)} · ${numbered(each.events, "event")}`, each.id)));
  if (jobs.some((each) => String(each.id) === chosen)) at("review-job").value = chosen;
  if (await next(true)) await training.show();
}
export function leave() { view?.stop(); examples.quiet(); training.leave(); }

async function attempt(work) { try { return await work(); } catch (error) { if (error.name !== "AbortError") say(error.message, true); return null; } }
const served = () => jobs.find((each) => String(each.id) === job())?.served ?? null; // the name of the tagger of these events now
const job = () => at("review-job").value;

function next(anew = false, back = null) { // anew: with the tags that there are; back: shown again. → whether one is shown
  const chosen = job(), order = at("review-order").value, below = at("review-below").value;
  return asked(async (signal) => {
    const rows = !anew ? null : below ? await candidates(chosen, signal) : (await json(`v1/jobs/${chosen}/counts`, { signal })).rows;
    const tag = rows && !rows.some((row) => row.tag === at("review-tag").value) ? "" : at("review-tag").value;
    return { rows, tag, told: await json(`v1/jobs/${chosen}/next?${query({ tag, order, below })}`, { signal }) };
  }, ({ rows, tag, told }) => {
    if (rows) at("review-tag").replaceChildren(new Option("all", ""), ...rows.map((row) => new Option(row.all === null ? words(row.tag) : `${words(row.tag)} (${row.all.toLocaleString("en")})`, row.tag)));
    at("review-tag").value = tag;
    at("reviews-csv").href = `v1/jobs/${chosen}/reviews`;
    if (back) show(chosen, back.event, back.drawn, told.left, back.onset === null ? null : [back.onset, back.offset]);
    else show(chosen, told.event, told.drawn, told.left);
    return true;
  });
}

async function candidates(chosen, signal) { // their tags, as counts has them of events; of more than are told at once, all tags of the job, uncounted
  const { total, events } = await json(`v1/jobs/${chosen}/events?${query({ below: true, order: "score", most: 1000 })}`, { signal });
  if (total > events.length) return Object.keys(jobs.find((each) => String(each.id) === chosen)?.rules.thresholds ?? {}).map((tag) => ({ tag, all: null }));
  const counts = new Map();
  for (const { tag } of events) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return [...counts].map(([tag, all]) => ({ tag, all })).sort((a, b) => b.all - a.all || (a.tag < b.tag ? -1 : 1));
}

function unasked() { show(job(), null, null, null); } // what was open may be answered by now: nobody is asked for it a second time

function show(chosen, found, why, left, moved = null) { // left: null where nothing is known
  view.stop(); examples.quiet();
  drawing.abort(); drawing = new AbortController(); clearTimeout(resting); // who answers fast leaves nothing behind that is still asked for
  event = found; of = chosen; drawn = why;
  at("other-form").hidden = true; at("other-tag").value = "";
  const known = left !== null;
  if (known) figures(left);
  at("judged").hidden = !event; at("all-judged").hidden = !!event || !known; at("unasked").hidden = known;
  const same = event && kept?.event === event.id ? kept : null; // its answer may not have come: what was prepared for it is still there
  if (known) kept = null;
  edges.show(event, moved ?? same?.edges ?? null);
  at("all-judged-told").textContent = `Every ${at("review-below").value ? "candidate" : "event"}${at("review-tag").value ? ` of ${words(at("review-tag").value)}` : ""} has an answer.`;
  if (!event) return;
  at("question").textContent = `Is this ${words(event.tag)}?`;
  at("cause-told").textContent = "";
  if (same?.other) { at("other-form").hidden = false; at("other-tag").value = same.other; }
  draw(event); // not waited for: who knows the answer already may give it
}

function told() { // where it is, and why it is asked
  if (!event) return;
  const [from, to] = edges.now, why = event.below ? "not sure enough to be told" : drawn === "random" ? "drawn by chance" : drawn === "chosen" || !drawn ? "" : `of the ${drawn === "surest" ? "surest" : "least sure"}`;
  at("question-told").textContent = `${event.name}, ${clock(from, 2)} to ${clock(to, 2)}${edges.moved ? ` (moved; it was found from ${clock(event.onset, 2)} to ${clock(event.offset, 2)})` : ""}, score ${event.score.toFixed(2)}${why ? `, ${why}` : ""}`;
}

async function draw(asked) {
  const { signal } = drawing, recording = await attempt(() => json(`v1/recordings/${asked.recording}`, { signal }));
  if (!recording || asked !== event) return;
  const start = Math.max(0, event.onset - AROUND), end = Math.min(event.offset + AROUND, recording.seconds), span = edges.now;
  const long = end - start > LONGEST;
  whole = [start, end];
  at("review-zoom").hidden = !long;
  at("review-zoom-told").textContent = long ? `It lasts ${clock(event.offset - event.onset)}: a part is shown, its first minute at first.` : "";
  view.show(recording, start, long ? start + PART : end);
  view.span = span;
  view.scores = { times: [event.onset, event.offset], tags: [{ label: event.tag, threshold: 0, values: [event.score, event.score] }] };
  view.heard(null, [{ label: event.tag, onset: event.onset, offset: event.offset, score: event.score }]);
  view.mark = span[0]; view.draw();
  const held = document.activeElement; // who went on to something else, such as the button to train again, stays there; who writes what it is, too
  const lies = (part) => at(part).contains(held);
  if ([document.body, at("main")].includes(held) || (lies("judged") && !lies("review-view") && !lies("other-form"))) at("review-view").focus({ preventScroll: true });
  again();
  resting = setTimeout(() => { examples.show(of, asked, signal); mark(asked, recording, start, end, signal); }, REST);
}

async function mark(asked, recording, start, end, signal) { // what made the tagger tell it; nothing where that tagger is not served any more
  const part = end - start > PART ? [asked.onset, Math.min(end, asked.onset + PART)] : [start, end], tagger = served();
  if (!tagger) return;
  try {
    const cause = await json(`v1/recordings/${recording.id}/cause?${query({ tagger, tag: asked.tag, start: part[0], end: part[1], gain: jobs.find((each) => String(each.id) === of)?.gain })}`, { signal });
    if (asked !== event) return;
    view.cause = cause; view.draw();
    at("cause-told").textContent = BY[cause.by];
  } catch (error) { if (asked === event && error.status !== 404) at("cause-told").textContent = onPage(error.message); }
}

function figures(left) {
  return counted((signal) => json(`v1/jobs/${of}/figures?${query({ tag: at("review-tag").value })}`, { signal }), (told) => {
    const percent = (share) => `${Math.round(100 * share)} %`;
    at("figures").replaceChildren(
      element("span", {}, "Answers ", element("b", {}, String(told.asked))), element("span", {}, "right ", element("b", {}, `${told.right} of ${told.judged}`)),
      element("span", {}, "precision ", element("b", {}, told.precision !== null ? `${percent(told.precision)} (${percent(told.low)} to ${percent(told.high)})` : told.low === null || told.high - told.low >= 1 ? "not known yet" : `not known yet, from ${percent(told.low)} to ${percent(told.high)}`), told.precision === null ? "" : `, by ${told.sample} drawn by chance`),
      told.candidates ? element("span", {}, "just not found ", element("b", {}, `${told.missed} right of ${told.candidates}`)) : "",
      element("span", {}, "left ", element("b", {}, (left ?? 0).toLocaleString("en"))),
      told.gone ? element("span", { title: "Their recordings were replaced or taken away: they count again once these are back" }, "of recordings that are gone ", element("b", {}, String(told.gone))) : "");
  });
}

function edge(which) { // is taken, where it is
  if (!event || !view.recording) return;
  view.stop(); // what plays would take the view along
  view.reach(edges.now[which]);
  edges.take(which);
}

const zooms = { nearer: () => view.zoom(0.5), farther: () => view.zoom(2), all: () => { view.range = [...whole]; view.changed(); } };

function again() { if (event) { view.stop(); view.play(...edges.now); } }
function other() { if (busy) return; at("other-form").hidden = false; at("other-tag").focus(); }

function occupied(now) { busy = now; at("review").setAttribute("aria-busy", now); }

async function answer(said, other = "") {
  if (!event || busy) return;
  occupied(true); // a key that is held down says it once
  try {
    const moved = edges.moved ? edges.now : null, [onset, offset] = moved && (said === "right" || said === "other") ? moved : [null, null];
    try { await post(`v1/jobs/${of}/reviews`, { event: event.id, answer: said, other, drawn: drawn ?? "chosen", onset, offset }); }
    catch (error) { return await unanswered(error, { event: event.id, edges: moved, other }); }
    say(""); training.later(); await next();
  } finally { occupied(false); }
}

async function unanswered(error, prepared) {
  const lost = error.status === 0 || error.status >= 500, gone = error.status === 404 || error.status === 409; // no word of it; there is none, or it has an answer
  if (!lost && !gone) return say(error.message, true);
  kept = prepared;
  if (!await next()) return undefined;
  if (gone) return say(`${error.message.replace(/\.$/, "")}. Your answer was not kept; this is what is open now.`, true);
  const why = error.status === 503 ? `${error.message.replace(/\.$/, "")}. ` : ""; // a full disk, which the service tells of
  return say(event?.id === prepared.event ? (why ? `${why}Your answer was not kept: give it again then.` : "No word came that your answer was kept, and it was not: give it again.")
    : "No word came that your answer was kept: if it was not, you will be asked for that event again.", true);
}

async function undo() {
  if (busy || edges.undo()) return;
  if (!at("unasked").hidden) return next(true);
  occupied(true); // an answer that came meanwhile would be the one that is taken back
  try {
    let told;
    try { told = await json(`v1/jobs/${job()}/reviews/last`, { method: "DELETE" }); }
    catch (error) {
      if (error.status > 0 && error.status < 500) return say(error.message, true);
      if (await next()) say("No word came that the last answer was taken back: the figures tell whether it was.", true);
      return undefined;
    }
    if (!told.event && told.drawn === null) return say("There is no answer to take back.");
    say(""); training.later();
    if (told.event) { at("review-below").value = told.event.below ? "true" : ""; return await next(true, told); }
    return await next() && say("The last answer was taken back; its event is there no more, as its recording was heard anew.");
  } finally { occupied(false); }
}

function key(pressed) {
  if (at("review").hidden || at("with-review").hidden || pressed.ctrlKey || pressed.metaKey || pressed.altKey || pressed.repeat) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(pressed.target.tagName)) return;
  const keys = { r: () => answer("right"), w: () => answer("wrong"), u: () => answer("unsure"), o: other, z: undo, s: () => edge(0), e: () => edge(1), x: examples.next };
  if (view.recording) Object.assign(keys, { "+": zooms.nearer, "=": zooms.nearer, "-": zooms.farther, "−": zooms.farther, 0: zooms.all });
  if (pressed.key === " " && pressed.target.tagName !== "BUTTON") keys[" "] = again;
  const act = event || pressed.key.toLowerCase() === "z" ? keys[pressed.key.toLowerCase()] : null; // the last answer of all is taken back, too
  if (act) { act(); pressed.preventDefault(); }
}
