// The edges of an event as two sliders over a view: dragged with mouse or finger, moved with the arrow keys, taken back.
import { clock } from "./api.js";

const STEP = 0.05, FAR = 0.5, SHORTEST = 0.02; // s
const WIDE = 30, INSIDE = 8; // px of a handle, and how many of them lie within the event: see .edge in style.css

export class Edges {
  constructor(view, onMoved) {
    this.view = view; this.onMoved = onMoved; this.now = null; this.past = [];
    this.handles = ["Start", "End"].map((name, which) => this.handle(name, which));
    view.place.append(...this.handles);
    view.onDraw = () => this.place();
  }

  handle(name, which) {
    const made = document.createElement("div");
    made.className = `edge ${name.toLowerCase()}`; made.tabIndex = 0; made.hidden = true;
    made.setAttribute("role", "slider"); made.setAttribute("aria-label", `${name} of the event`); made.setAttribute("aria-valuemin", "0");
    const at = (event) => this.view.second(event.clientX - this.view.canvas.getBoundingClientRect().left);
    made.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.stopPropagation(); event.preventDefault(); made.focus({ preventScroll: true });
      made.setPointerCapture(event.pointerId);
      this.held = at(event) - this.now[which]; this.before = [...this.now]; this.view.stop();
    });
    made.addEventListener("pointermove", (event) => { if (this.before) this.put(which, at(event) - this.held); });
    const done = () => { if (this.before && this.differs(this.before)) this.past.push(this.before); this.before = null; };
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) made.addEventListener(kind, done);
    made.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (event.key === "Escape") { this.view.place.focus(); event.stopPropagation(); }
      if (!way) return;
      event.preventDefault(); event.stopPropagation();
      const was = [...this.now];
      this.view.stop();
      this.put(which, this.now[which] + way * (event.shiftKey ? FAR : STEP));
      this.view.reach(this.now[which]); // one that is not shown could not be moved on
      made.focus({ preventScroll: true });
      if (!event.repeat && this.differs(was)) this.past.push(was); // a key that is held down is one step back
    });
    return made;
  }

  show(event, edges = null) { // of an event; edges: where they were moved before
    this.own = event ? [event.onset, event.offset] : null; this.now = edges ?? (this.own && [...this.own]); this.past = edges ? [[...this.own]] : [];
    this.told();
  }

  get moved() { return this.now && this.differs(this.own); }
  differs(other) { return this.now.some((value, i) => Math.abs(value - other[i]) > 1e-6); }
  take(which) { if (this.now) this.handles[which].focus({ preventScroll: true }); }

  put(which, second) {
    const end = this.view.recording.seconds, [start, stop] = this.now;
    this.now[which] = which ? Math.min(end, Math.max(start + SHORTEST, second)) : Math.max(0, Math.min(stop - SHORTEST, second));
    this.now[which] = Math.round(this.now[which] * 1000) / 1000;
    this.told();
  }

  undo() {
    if (!this.past.length) return false;
    this.now = this.past.pop(); this.told();
    return true;
  }

  told() { this.view.span = this.now; if (this.view.recording) this.view.draw(); this.onMoved(this); }

  place() {
    const { view } = this, { top, height } = view.body;
    this.handles.forEach((made, which) => {
      const second = this.now?.[which], seen = this.now && second >= view.range[0] - 1e-6 && second <= view.range[1] + 1e-6;
      made.hidden = !seen;
      if (!seen) return;
      made.style.transform = `translate(${view.x(second) - (which ? INSIDE : WIDE - INSIDE)}px, ${top}px)`; made.style.height = `${height}px`;
      made.setAttribute("aria-valuenow", second.toFixed(2)); made.setAttribute("aria-valuemax", view.recording.seconds.toFixed(2));
      made.setAttribute("aria-valuetext", clock(second, 2));
    });
  }
}
