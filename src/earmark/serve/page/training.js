// Training again behind the page: what is learnt from, how far it is, what changed, and whether the new tagger is taken.
import { element, json, latest, numbered, post, say, words } from "./api.js";

const at = (id) => document.getElementById(id), OFTEN = 1000, SELDOM = 5000; // ms between two looks while one runs; where the last one failed
const STATES = { preparing: "is being prepared", running: "runs", stopped: "was stopped; train again to go on", done: "is done: take the new tagger, or reject it",
  taken: "was taken: its tagger answers now", rejected: "was rejected: the tagger before it answers" };
const asked = latest((error) => { // without a folder there are none
  at("training").hidden = true;
  if (error.status !== 404 && !at("review").hidden) watching = setTimeout(show, SELDOM);
});
let tagger = () => null, onTaken = () => {}, watching, pupil = null; // pupil: who would learn

export function start(which, taken) {
  tagger = which; onTaken = taken;
  at("train").addEventListener("click", () => act(() => post("v1/training", { tagger: pupil })));
}

export function leave() { clearTimeout(watching); }

async function act(work) {
  say("");
  try { return await work(); } catch (error) { say(error.message, true); return null; } finally { await show(); }
}

export function later() { clearTimeout(watching); watching = setTimeout(show, OFTEN / 2); } // when answers come no more

export function show() {
  clearTimeout(watching);
  return asked((signal) => json("v1/training", { signal }), shown);
}

function learner(told) { // the tagger of these events, or the one that was taken in its place: that one is to become better
  let name = tagger();
  for (let over; (over = told.trainings.find((each) => each.state === "taken" && `${each.tagger}-before-${each.id}` === name)); ) name = over.tagger;
  return name;
}

function shown(told) {
  clearTimeout(watching);
  at("training").hidden = false;
  const name = pupil = learner(told), count = told.answers[name] ?? 0, runs = told.trainings.some((each) => each.state === "running");
  at("train").disabled = runs || !!told.lacks || !count || !name;
  at("train").textContent = told.trainings[0]?.state === "stopped" ? "Train again, or go on" : "Train again";
  at("train-told").textContent = told.lacks ?? (name ? `${name} would learn from its clips and from ${numbered(count, "answer")}, in all jobs over this folder${told.gone[name] ? `, and not from ${numbered(told.gone[name], "whose recording is", "whose recordings are")} gone` : ""}. It takes minutes and goes on behind the page; the tagger that answers now stays until you take the new one.`
    : "The tagger of these events is not served any more: choose others above.");
  const focused = document.activeElement?.dataset?.key, open = [...at("trainings").querySelectorAll("details[open]")].map((each) => each.dataset.key);
  at("trainings").replaceChildren(...told.trainings.map(one)); // anew each second while one runs: what was open or held stays so
  for (const each of at("trainings").querySelectorAll("[data-key]")) {
    if (open.includes(each.dataset.key)) each.open = true;
    if (focused && each.dataset.key === focused) each.focus({ preventScroll: true });
  }
  if (runs && !at("review").hidden) watching = setTimeout(show, OFTEN);
}

function one(training) {
  const { id, state, progress } = training, word = STATES[state] ?? (unserved(state) ? `was ${state}` : state);
  const when = new Date(training.begun).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
  const parts = [element("h3", {}, `Training ${id} of ${training.tagger}`), element("p", { className: "aside" }, `${when}, from ${numbered(training.answers, "answer")}. It ${word}.`)];
  if (progress) parts.push(element("progress", { max: Math.max(1, progress.total), value: progress.done, ariaLabel: `Training ${id}: ${progress.what}` }),
    element("p", { className: "aside" }, `${progress.what}: ${progress.done.toLocaleString("en")} of ${progress.total.toLocaleString("en")}`));
  if (training.changed) parts.push(table(training.changed));
  if (training.said.length) parts.push(element("details", { "data-key": `${id} said` }, element("summary", {}, "What was said"), ...training.said.map((line) => element("p", {}, line))));
  const press = (what, told, main) => element("button", { type: "button", "data-key": `${id} ${what}`, className: main ? "main" : "", onclick: () => decide(id, what) }, told);
  const buttons = { running: [press("stop", "Stop")], done: [press("take", "Take the new tagger", true), press("reject", "Reject")], taken: [press("reject", "Put the one before back")], rejected: [press("take", "Take it after all")] }[unserved(state) ? "taken" : state] ?? [];
  if (buttons.length) parts.push(element("p", { className: "filters" }, ...buttons));
  return element("article", { className: "training" }, ...parts);
}

const unserved = (state) => state.startsWith("taken, but not served: ");

async function decide(id, what) {
  if (await act(() => post(`v1/training/${id}/${what}`, {})) && what !== "stop") await act(onTaken);
}

const percent = (share) => `${share < 0 ? "−" : share > 0 ? "+" : ""}${Math.abs(Math.round(100 * share))}`;

function table(rows) {
  if (!rows.length) return element("p", {}, "Nothing can be said of what changed: there is nothing that it did not learn from.");
  const sure = (row) => (row.low > 0 ? "better" : row.high < 0 ? "worse" : "");
  return element("div", { className: "wide" }, element("p", { className: "aside" }, "Of reviewed events that the new tagger was not taught when it was judged: how many each decides rightly. An interval that holds 0 may be chance."),
    element("table", { className: "changed" }, element("thead", {}, element("tr", {}, element("th", { className: "words" }, "Tag"), element("th", {}, "Events"), element("th", {}, "Right before"), element("th", {}, "Right after"),
      element("th", {}, "Gained"), element("th", {}, "Lost"), element("th", {}, "Change in points of a hundred, and its 95 % interval"))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, element("td", { className: "words" }, words(row.tag)), ...[row.events, row.before, row.after, row.gained, row.lost].map((value) => element("td", {}, String(value))),
      element("td", { className: sure(row) }, `${percent(row.difference)} (${percent(row.low)} to ${percent(row.high)})`))))));
}
