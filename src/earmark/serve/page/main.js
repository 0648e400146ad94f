// Which page is shown, which tagger is asked, and the door where the service asks for a token.
import { json, numbered, post, say } from "./api.js";
import * as listen from "./listen.js";
import * as live from "./live.js";
import * as recordings from "./recordings.js";
import * as review from "./review.js";

const pages = { listen, live, recordings, review };
const chosen = document.getElementById("tagger");
export const state = { taggers: [], secure: window.isSecureContext && !!navigator.mediaDevices };
export const tagger = () => state.taggers.find((each) => each.name === chosen.value) ?? state.taggers[0];
let shown;

function show(event) {
  const name = location.hash.slice(1).split("/")[0], page = pages[name] ? name : "listen";
  if (shown === page && event) return pages[page].open?.(state, tagger);
  pages[shown]?.leave?.();
  shown = page;
  say("");
  for (const each of Object.keys(pages)) document.getElementById(each).hidden = each !== page;
  for (const link of document.querySelectorAll("nav a")) link.dataset.page === page ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  document.title = `${document.getElementById(`${page}-head`).textContent} · earmark`;
  pages[page].open?.(state, tagger);
  if (event) document.getElementById("main").focus({ preventScroll: true });
}

async function renew() { // which taggers there are
  const told = await json("v1/taggers"), before = chosen.value;
  state.taggers = told.taggers; state.folder = told.folder; state.limits = told.limits;
  chosen.replaceChildren(...told.taggers.map((each) => new Option(each.name, each.name)));
  if (told.taggers.some((each) => each.name === before)) chosen.value = before;
  return told;
}

const megabytes = (bytes) => `${(bytes / 1e6).toLocaleString("en", bytes < 1e6 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 1 })} MB`;

function spoken(seconds) { // 90 → 1 minute 30 seconds
  const minutes = Math.floor(seconds / 60), rest = Math.round((seconds - 60 * minutes) * 10) / 10;
  const of = (count, what) => (count ? [numbered(count, what)] : []);
  return [...of(minutes, "minute"), ...of(rest, "second")].join(" ");
}

async function enter() {
  try {
    const told = await renew();
    document.getElementById("gate").hidden = true;
    document.getElementById("limits").textContent = `Up to ${megabytes(told.limits.bytes)} and ${spoken(told.limits.seconds)}; it stays on the service until you close this page or for an hour.`;
    document.getElementById("version").textContent = `earmark ${told.version}`;
    for (const page of Object.values(pages)) page.start?.(state, tagger, renew);
    addEventListener("hashchange", show);
    show();
  } catch (error) {
    if (error.status !== 401) return say(error.message, true);
    document.getElementById("gate").hidden = false;
    document.getElementById("token").focus();
  }
}

chosen.addEventListener("change", () => pages[shown]?.asked?.());
document.getElementById("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  try { await post("v1/session", { token: document.getElementById("token").value }); say(""); await enter(); }
  catch (error) { say(error.message, true); }
});
enter();
