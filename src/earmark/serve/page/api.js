// Asks the service. Paths are relative, so that the page works below any path of a proxy.
import { onPage } from "./ways.js";

export class Refused extends Error {
  constructor(status, told, again) { super(told); this.status = status; this.again = again; }
}

async function refusal(answer) {
  let told = `The service answered ${answer.status}.`;
  try { told = (await answer.json()).error || told; } catch { /* no JSON: the status says it */ }
  return new Refused(answer.status, told, Number(answer.headers.get("Retry-After")) || 0);
}

export async function ask(path, options = {}) {
  let answer;
  try { answer = await fetch(path, options); }
  catch (error) { if (error.name === "AbortError") throw error; throw new Refused(0, "The service cannot be reached."); }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

export async function whole(told) { // what reads the body of an answer, whose line may break before its end
  try { return await told; }
  catch (error) { if (error.name === "AbortError") throw error; throw new Refused(0, "The service's answer broke off before its end."); }
}

export const json = async (path, options) => whole((await ask(path, options)).json());

// For what is asked as an input changes. A new question gives up the one before, and what is answered to that after all is taken no more:
// else a slow answer to an old question would stand under a new one. What fails is said, and is said no more once an answer came.
export function latest(failed = () => {}) {
  let now = new AbortController(), complaint = null;
  async function following(work, take = (told) => told) { // work(signal) asks. → what take makes of the answer; undefined of none, or an old one
    now.abort();
    const { signal } = now = new AbortController();
    let told;
    try { told = await work(signal); }
    catch (error) {
      if (signal.aborted) return undefined;
      complaint = onPage(error.message);
      say(complaint, true); failed(error);
      return undefined;
    }
    if (signal.aborted) return undefined;
    if (complaint !== null && said() === complaint) say("");
    complaint = null;
    return take(told);
  }
  following.drop = () => now.abort();
  return following;
}

export const post = (path, value, method = "POST") =>
  json(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });

export const query = (values) => new URLSearchParams(
  Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "")).toString();

// fetch tells nothing of how much was sent; this does
export function send(path, blob, name, onSent, signal) {
  return new Promise((done, fail) => {
    const form = new FormData();
    form.append("file", blob, name);
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onSent(event.loaded / event.total);
    request.onload = () => request.status < 300 ? done(request.response)
      : fail(new Refused(request.status, request.response?.error || `The service answered ${request.status}.`));
    request.onerror = () => fail(new Refused(0, "The service cannot be reached, or would not take the file."));
    request.onabort = () => fail(new DOMException("another is asked for", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

// Plays what lies at an address. Rejects with why it does not: the service has none, or the browser plays no such thing.
export async function play(audio, path) {
  audio.src = path;
  const mine = audio.src;
  try { await audio.play(); }
  catch (error) {
    if (error.name === "AbortError" || error.name === "NotAllowedError") throw error; // it was stopped; nobody has pressed anything yet
    await ask(path, { headers: { Range: "bytes=0-43" } }); // an element tells no status: the service says it again
    if (audio.src !== mine) throw new DOMException("another is played", "AbortError");
    throw new Error(`This browser does not play it: ${error.message}`);
  }
}

export const unplayed = (error) => error.name !== "AbortError" && say(error.name === "NotAllowedError" ? `The browser plays nothing yet: ${error.message}` : error.message, true);

export function clock(seconds, digits = 1) {
  const unit = 10 ** digits, all = Math.round(seconds * unit) / unit;
  const hours = Math.floor(all / 3600), minutes = Math.floor(all % 3600 / 60);
  const rest = (all % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

const said = () => document.getElementById("said").textContent;

export function say(sentence, bad = false) {
  const told = onPage(sentence), place = document.getElementById("said");
  if (said() === told && told) return; // what is asked again and again fails again and again: it is read out once
  place.textContent = told;
  place.classList.toggle("bad", bad);
  place.hidden = !told;
}

export const numbered = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`; // as earmark.errors.counted

export const words = (label) => label.replaceAll("_", " ");

export function element(tag, values = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(values)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
