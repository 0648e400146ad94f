// Asks the service. Paths are relative, so that the page works below any path of a proxy.

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

export const json = async (path, options) => (await ask(path, options)).json();

export const post = (path, value, method = "POST") =>
  json(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });

export const query = (values) => new URLSearchParams(
  Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "")).toString();

// fetch tells nothing of how much was sent; this does
export function send(path, blob, name, onSent) {
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
    request.send(form);
  });
}

export function clock(seconds, digits = 1) {
  const unit = 10 ** digits, all = Math.round(seconds * unit) / unit;
  const hours = Math.floor(all / 3600), minutes = Math.floor(all % 3600 / 60);
  const rest = (all % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export function say(told, bad = false) {
  const place = document.getElementById("said");
  place.textContent = told;
  place.classList.toggle("bad", bad);
  place.hidden = !told;
}

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
