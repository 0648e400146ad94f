// The microphone through a WebSocket: tags of each window as it comes, and how late.
import { clock, element, query, say } from "./api.js";
import { chip } from "./listen.js";
import { Recorder } from "./recorder.js";

const at = (id) => document.getElementById(id), MOST = 200, SECONDS = 10, FULL = 4e6; // bytes that may wait to be sent
let tagger, recorder, line = null, opening = false, levels = [], late = [];

export function start(state, which) {
  tagger = which;
  at("live-insecure").hidden = state.secure; at("live-start").disabled = !state.secure;
  at("live-start").addEventListener("click", () => (recorder ? finish() : begin()));
}

export function leave() { if (recorder) finish(); }
export const asked = leave;

async function begin() {
  if (opening) return undefined;
  say(""); opening = true;
  try { recorder = await Recorder.open(); }
  catch (error) { return say(`The microphone cannot be heard: ${error.message}`, true); }
  finally { opening = false; }
  if (at("live").hidden) return finish(); // who left meanwhile is not listened to
  at("live-start").textContent = "Stop listening"; at("live-log").tBodies[0].replaceChildren(); at("live-now").replaceChildren(); at("live-late").textContent = "";
  levels = []; late = [];
  const place = new URL(`v1/live?${query({ tagger: tagger().name })}`, location.href);
  place.protocol = place.protocol.replace("http", "ws"); place.hash = "";
  const mine = line = new WebSocket(place), { rate } = recorder;
  let over = false; // all was told, or why it is not
  mine.onopen = () => mine.send(JSON.stringify({ rate: Math.round(rate), encoding: "f32le" }));
  mine.onmessage = ({ data }) => {
    if (line !== mine) return; // another is listened to by now
    const said = JSON.parse(data);
    over ||= !!said.error || said.start === undefined;
    told(said);
  };
  mine.onclose = () => {
    if (line !== mine) return;
    line = null; finish();
    if (over || at("live").hidden) return;
    at("live-now").replaceChildren(); at("live-late").textContent = ""; // of now nothing is known any more
    const some = at("live-log").tBodies[0].rows.length ? " Below is what was heard until then." : "";
    say(`The line to the service broke, and nothing is heard any more: start again to go on.${some}`, true);
  };
  recorder.onSamples = (samples) => {
    levels.push(samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0));
    levels = levels.slice(-Math.ceil(SECONDS * rate / samples.length));
    draw(Math.ceil(SECONDS * rate / samples.length));
    if (mine.readyState !== WebSocket.OPEN) return undefined;
    if (mine.bufferedAmount < FULL) return mine.send(samples.buffer);
    finish(); // nothing is left out of the middle
    return say(`The line to the service is slower than the sound, of which ${clock(mine.bufferedAmount / 4 / rate, 0)} wait to be sent: what comes from now on is not heard. Start again to go on.`, true);
  };
  return undefined;
}

function finish() {
  recorder?.cancel(); recorder = null;
  at("live-start").textContent = "Start listening";
  if (line?.readyState === WebSocket.OPEN) return line.send("end");
  const gone = line; line = null; // not open yet: nothing was heard of which it could tell
  return gone?.close();
}

function told(said) {
  if (said.error) return say(said.error, true);
  if (said.start === undefined) { // of the whole
    at("live-late").textContent = `${clock(said.duration)} heard`;
    at("live-now").replaceChildren("As a whole: ", ...said.tags.map(chip));
    if (said.notes?.length) say(`${said.notes.join(". ")}.`, true);
    return;
  }
  at("live-now").replaceChildren(...(said.silent ? ["Silent."] : said.tags.map(chip)));
  late.push(said.late); late = late.slice(-20);
  at("live-late").textContent = `${Math.max(...late).toFixed(1)} s late at most`;
  const row = element("tr", {}, element("td", {}, clock(said.start)), element("td", {}, clock(said.end)),
    element("td", { className: "words" }, ...(said.silent ? ["silent"] : said.tags.map(chip))), element("td", {}, `${said.late.toFixed(1)} s`));
  const rows = at("live-log").tBodies[0];
  rows.prepend(row);
  while (rows.rows.length > MOST) rows.deleteRow(-1);
}

function draw(most) {
  const canvas = at("live-level"), ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = width * ratio; canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--wave");
  const step = width / most, offset = width - levels.length * step;
  levels.forEach((level, i) => {
    const share = level > 0 ? Math.max(0, 1 + 20 * Math.log10(level) / 60) : 0; // from -60 dB to full scale
    pen.fillRect(offset + i * step, (1 - share) * height / 2, Math.max(1, step - 1), Math.max(1, share * height));
  });
}
