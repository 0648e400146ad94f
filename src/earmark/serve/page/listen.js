// One recording: dropped, chosen or recorded; looked at, heard, and kept as a file of events.
import { ask, clock, element, json, latest, numbered, query, say, send, words } from "./api.js";
import { Recorder } from "./recorder.js";
import { View } from "./view.js";

const at = (id) => document.getElementById(id), FORMS = ["audacity", "raven", "csv", "json"];
const opened = latest(), heard = latest(unheard), found = latest(unfound);
let view, tagger, state, recording, salvage = false, threshold = null, recorder, opening = false, left = null, later;

export function start(service, which) {
  state = service; tagger = which;
  view = new View(at("view"), { onEvent: (event) => select(view.events.indexOf(event)) });
  view.onPlay = (on) => { at("play").textContent = on ? "Stop" : "Play"; };
  at("insecure").hidden = state.secure; at("record").disabled = !state.secure;
  at("file").addEventListener("change", (event) => { const [file] = event.target.files; event.target.value = ""; if (file) take(file, file.name); });
  dropping(at("drop")); dropping(document.body);
  at("record").addEventListener("click", record);
  at("play").addEventListener("click", () => view.toggle());
  at("nearer").addEventListener("click", () => view.zoom(0.5));
  at("farther").addEventListener("click", () => view.zoom(2));
  at("all").addEventListener("click", () => view.all());
  at("speed").addEventListener("change", (event) => { view.rate = view.audio.playbackRate = Number(event.target.value); });
  at("scale").addEventListener("change", (event) => { view.scale = event.target.value; view.changed(); });
  at("contrast").addEventListener("input", contrast);
  at("threshold").addEventListener("input", () => { threshold = Number(at("threshold").value); told(); clearTimeout(later); later = setTimeout(events, 100); });
  at("salvage-this").addEventListener("click", () => { salvage = true; hear(); at("view").focus(); });
  document.addEventListener("keydown", key);
  addEventListener("pagehide", () => recording?.held && fetch(`v1/recordings/${recording.id}`, { method: "DELETE", keepalive: true }));
  contrast();
}

export function open() { // #listen/ID: a recording of the folder
  const id = location.hash.split("/")[1];
  if (id) {
    at("sending").hidden = true; // a file that was on its way is given up
    opened((signal) => json(`v1/recordings/${id}`, { signal }), show); // also of the one that is shown: the file may be another by now
  } else if (left) { const ended = left; left = null; recorded(ended, true); }
}

export function leave() { // the microphone is open on this page alone: what came until now is kept until somebody is here again
  view?.stop();
  if (recorder) left = ended();
}
export const asked = () => recording && hear();

function dropping(place) {
  place.addEventListener("dragover", (event) => { event.preventDefault(); at("drop").classList.add("over"); });
  place.addEventListener("dragleave", () => at("drop").classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault(); event.stopPropagation(); at("drop").classList.remove("over");
    const files = [...event.dataTransfer.files];
    if (!files.length || at("listen").hidden) return;
    if (files.length > 1) say(`${numbered(files.length, "file was", "files were")} dropped; this is the first, ${files[0].name}.`);
    take(files[0], files[0].name, files.length > 1);
  });
}

function take(blob, name, quiet = false) {
  if (!quiet) say("");
  at("sending").hidden = false; at("sending").value = 0;
  return opened(async (signal) => {
    try { return await send("v1/recordings", blob, name, (share) => { at("sending").value = share; }, signal); }
    finally { if (!signal.aborted) at("sending").hidden = true; }
  }, show);
}

function show(told) {
  const before = recording;
  recording = told;
  threshold = null; salvage = false;
  at("shown").hidden = false;
  at("what").textContent = recording.name;
  at("facts").textContent = `${clock(recording.seconds)} · ${recording.sample_rate.toLocaleString("en")} Hz · ${recording.channels === 1 ? "one channel" : `${numbered(recording.channels, "channel")}, heard as their mean`} · ${recording.container} ${recording.codec}`;
  view.show(recording);
  at("view").focus({ preventScroll: true });
  hear(); // what is still asked of the one before is given up: it will be no more
  if (before?.held) ask(`v1/recordings/${before.id}`, { method: "DELETE" }).catch(() => {});
}

function hear() {
  const name = tagger().name;
  cleared();
  at("threshold").disabled = tooLong();
  if (tooLong()) return kept(name);
  at("answer").textContent = `${name} is listening …`;
  return heard((signal) => json(`v1/recordings/${recording.id}/scores?${query({ tagger: name, salvage: salvage || null })}`, { signal }), (scores) => {
    view.heard(scores, []);
    const surest = [...scores.tags].sort((a, b) => b.score - a.score).slice(0, 3);
    at("answer").replaceChildren(...(scores.silent ? ["Silent: nothing is to be heard in it."] : surest.map(chip)));
    if (scores.notes.length) say(scores.notes.join(" · "));
    return events();
  });
}

const tooLong = () => !recording.held && recording.seconds > state.limits.seconds;

function kept(name) { // of a recording of the folder that is too long to be heard while one waits: what was found in it when the folder was heard
  const { id } = recording, part = [...recording.name].slice(-255).join("");
  return heard(async (signal) => {
    const { jobs } = await json("v1/jobs", { signal });
    for (const job of jobs.filter((each) => each.served === name)) {
      const { recordings } = await json(`v1/recordings?${query({ job: job.id, name: part, most: 1000 })}`, { signal });
      const of = recordings.find((each) => each.id === id);
      if (of?.state !== "heard") continue;
      return { job, of, ...await json(`v1/jobs/${job.id}/events?${query({ recording: id, most: 1000 })}`, { signal }) };
    }
    return null;
  }, (told) => {
    const why = `It lasts ${clock(recording.seconds, 0)}, and ${clock(state.limits.seconds, 0)} are heard at once.`, there = element("a", { href: "#recordings" }, "Recordings");
    if (!told) { at("answer").replaceChildren(element("span", {}, `${why} Under `, there, `, ${name} hears the folder, however long its recordings are; what it finds in this one is shown here then.`)); return; }
    const events = told.events.map((each) => ({ ...each, label: each.tag })), { thresholds } = told.job.rules, values = new Set(Object.values(thresholds));
    if (told.of.notes?.length) say(told.of.notes.join(" · "));
    const count = (label) => events.filter((each) => each.label === label).length;
    const labels = [...new Set(events.map((each) => each.label))].sort((a, b) => count(b) - count(a));
    at("answer").replaceChildren(element("span", {}, `${why} These are the events that ${name} found in it when it heard the folder, under `, there, "."));
    at("threshold-told").textContent = values.size === 1 ? [...values][0].toFixed(2) : "each tag's own";
    view.threshold = null;
    view.heard({ times: [], tags: labels.map((label) => ({ label, threshold: thresholds[label], values: [] })) }, events);
    at("events-told").textContent = `${told.total ? numbered(told.total, "event") : "No events"} at the thresholds of that job${told.total > events.length ? `; the first ${numbered(events.length, "is", "are")} shown` : ""}.`;
    rows(events);
  });
}

function unheard(error) { cleared(); at("damaged").hidden = salvage || !error.message.includes("salvage=true"); }

function cleared() { // of all that was said of what was shown before, by whom it was
  at("answer").replaceChildren(); at("damaged").hidden = true;
  view.scores = null;
  unfound();
}

function unfound() {
  clearTimeout(later); found.drop();
  at("events").tBodies[0].replaceChildren(); at("events-told").textContent = ""; view.heard(null, []);
  at("keep").hidden = true;
  for (const form of FORMS) at(`as-${form}`).removeAttribute("href");
}

export const chip = (tag) => element("span", { className: "chip" }, element("b", {}, words(tag.label)), element("span", {}, tag.score.toFixed(2)));

function events() {
  const asked = tagger(), { id } = recording, about = { tagger: asked.name, threshold, salvage: salvage || null };
  told();
  return found((signal) => json(`v1/recordings/${id}/events?${query(about)}`, { signal }), ([{ events }]) => {
    const { frames, calibrated, windows } = asked, limit = about.threshold; // not what they are by now: that is asked for next
    view.threshold = limit;
    view.heard(null, events);
    at("events-told").textContent = `${events.length ? numbered(events.length, "event") : "No events"} at ${limit === null ? (calibrated ? "the thresholds that were chosen for this tagger" : "threshold 0.5, as none was chosen for this tagger") : `threshold ${limit.toFixed(2)}`}.` +
      (frames ? "" : ` This tagger scores windows of ${windows.length ?? "several"} s: edges are no finer.`);
    rows(events);
    for (const form of FORMS) at(`as-${form}`).href = `v1/recordings/${id}/events?${query({ ...about, format: form, download: true })}`;
    at("keep").hidden = false;
  });
}

function rows(events) {
  at("events").tBodies[0].replaceChildren(...events.map((event, number) => element("tr", {},
    element("td", { className: "words" }, words(event.label)), ...[event.onset, event.offset].map((time) => element("td", {}, clock(time, 2))),
    element("td", {}, event.score.toFixed(2)),
    element("td", {}, element("button", { className: "small", type: "button", ariaLabel: `Play ${words(event.label)} at ${clock(event.onset)}`, onclick: () => play(number) }, "Play")))));
}

function play(number) {
  const event = view.events[number];
  if (!event) return;
  select(number); view.go(event.onset); view.play(event.onset, event.offset);
}

function select(number) {
  view.selected = number;
  [...at("events").tBodies[0].rows].forEach((row, i) => row.classList.toggle("on", i === number));
  at("events").tBodies[0].rows[number]?.scrollIntoView({ block: "nearest" });
}

function told() {
  const own = tagger().thresholds, values = new Set(Object.values(own));
  at("threshold-told").textContent = threshold === null ? (values.size === 1 ? [...values][0].toFixed(2) : "each tag's own") : threshold.toFixed(2);
  if (threshold === null) at("threshold").value = values.size === 1 ? [...values][0] : 0.5;
}

function contrast() {
  const range = 130 - Number(at("contrast").value); // dB that are shown: the fewer, the harder
  at("contrast-told").textContent = `${range} dB`;
  view.contrast = range; view.shade(); view.draw();
}

async function record() {
  if (recorder) return recorded(ended());
  if (opening) return undefined;
  opening = true;
  try {
    const made = await Recorder.open();
    if (at("listen").hidden) return made.cancel();
    recorder = made;
    recorder.onLevel = (seconds) => { at("record").textContent = `stop after ${clock(seconds)}`; };
    at("record").textContent = "stop";
    return undefined;
  } catch (error) { return say(`The microphone cannot be heard: ${error.message}`, true); }
  finally { opening = false; }
}

function ended() {
  const done = recorder; recorder = null;
  at("record").textContent = "record with the microphone";
  return done.finish();
}

async function recorded(ending, away = false) {
  const { blob, seconds } = await ending;
  if (seconds < 0.1) return say("Nothing was recorded.", true);
  if (away) say(`The recording ended when you left this page, after ${clock(seconds)}.`);
  const name = `microphone ${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.wav`;
  return take(blob, name, away);
}

function key(event) {
  if (at("listen").hidden || at("shown").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const next = (step) => { const last = view.events.length - 1, now = view.selected ?? (step > 0 ? -1 : 1); if (last >= 0) play(Math.max(0, Math.min(last, now + step))); };
  const keys = { "+": () => view.zoom(0.5), "=": () => view.zoom(0.5), "-": () => view.zoom(2), "−": () => view.zoom(2), 0: () => view.all(), n: () => next(1), b: () => next(-1) };
  if (event.key === " " && !/^(BUTTON|A|SUMMARY)$/.test(event.target.tagName)) keys[" "] = () => view.toggle();
  const act = keys[event.key] ?? keys[event.key.toLowerCase()];
  if (act) { act(); event.preventDefault(); }
}
