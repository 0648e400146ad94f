// A recording over time: waveform, spectrogram with its axis in Hz, tags and events. What is drawn of sound the service
// computes (peaks, spectrogram, sound as WAV), so that a recording of hours is never whole in the browser.
import { ask, clock, json, latest, numbered, play, query, unplayed, whole, words } from "./api.js";

const LEFT = 46, TOP = 20, WAVE = 64, SPECTRUM = 190, LANE = 40, GAP = 8; // px
export const LONGEST = 300; // s of a spectrogram
const SHORTEST = 0.05; // s of a part shown
const FLOOR = -120; // dB of black in the service's pictures
const LANES = 6;

// dark to light through violet and orange: each step lighter than the one before, so that it reads in grey too
const STOPS = [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];
const SHADES = Array.from({ length: 256 }, (_, i) => {
  const at = i / 255 * (STOPS.length - 1), low = Math.min(Math.floor(at), STOPS.length - 2), share = at - low;
  return STOPS[low].map((value, k) => Math.round(value + (STOPS[low + 1][k] - value) * share));
});

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function steps(span, most) { // an even step that makes at most so many
  const rough = span / Math.max(1, most);
  for (const base of [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400]) if (base >= rough) return base;
  return 36000;
}

export function coloured(image, contrast) { // levels → colours: the brightest `contrast` dB below the loudest of the part
  const { data, width, height } = image, counts = new Uint32Array(256);
  for (let i = 0; i < data.length; i += 4) counts[data[i]]++;
  let left = data.length / 4 * 0.001, top = 255; // the loudest thousandth may be a click
  while (top > 0 && (left -= counts[top]) > 0) top--;
  const range = contrast / -FLOOR * 255, out = new ImageData(width, height);
  const table = Array.from({ length: 256 }, (_, i) => SHADES[Math.round(Math.max(0, Math.min(1, (i - top + range) / range)) * 255)]);
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b] = table[data[i]];
    out.data[i] = r; out.data[i + 1] = g; out.data[i + 2] = b; out.data[i + 3] = 255;
  }
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(out, 0, 0);
  return canvas;
}

export async function pixels(answer) { // of a picture that the service made
  const image = await createImageBitmap(await whole(answer.blob()));
  const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
}

const mel = (hz) => 2595 * Math.log10(1 + hz / 700), hertz = (value) => 700 * (10 ** (value / 2595) - 1);

export class View {
  constructor(place, { onMark = () => {}, onEvent = () => {} } = {}) {
    this.onMark = onMark; this.onEvent = onEvent;
    this.place = place;
    place.className = "view"; place.tabIndex = 0; place.setAttribute("role", "group");
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.line = document.createElement("div");
    this.line.className = "mark";
    place.replaceChildren(this.canvas, this.line);
    this.audio = new Audio(); this.audio.preload = "auto";
    this.asked = latest(); // waveform and spectrogram of what is shown
    this.from = 0; this.contrast = 80; this.scale = "linear"; this.rate = 1;
    this.audio.addEventListener("ended", () => this.stop(true));
    this.audio.addEventListener("error", () => {
      if (this.playing && this.audio.currentTime > 0) unplayed(new Error("The sound broke off: the service sends no more of it."));
      if (this.playing) this.stop();
    });
    place.addEventListener("pointerdown", (event) => this.pointed(event));
    place.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.recording && this.changed()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  show(recording, start = 0, end = recording.seconds) {
    this.stop(); this.asked.drop(); clearTimeout(this.later);
    this.recording = recording; this.scores = null; this.events = []; this.span = this.cause = null; this.peaks = null; this.picture = null;
    this.mark = start; this.range = [start, Math.min(end, recording.seconds)];
    this.changed();
  }

  heard(scores, events) { this.scores = scores ?? this.scores; this.events = events; this.draw(); }

  get lanes() { return (this.scores?.tags ?? []).slice(0, LANES); }
  get height() { return TOP + WAVE + GAP + SPECTRUM + GAP + this.lanes.length * LANE + 4; }
  get body() { return { top: TOP, height: WAVE + GAP + SPECTRUM }; } // of waveform and spectrogram
  get width() { return this.place.clientWidth; }
  get inner() { return Math.max(10, this.width - LEFT - 8); }
  x(second) { return LEFT + (second - this.range[0]) / (this.range[1] - this.range[0]) * this.inner; }
  second(x) { return this.range[0] + (x - LEFT) / this.inner * (this.range[1] - this.range[0]); }

  zoom(factor) {
    const [start, end] = this.range, middle = this.mark >= start && this.mark <= end ? this.mark : (start + end) / 2;
    const span = Math.min(this.recording.seconds, Math.max(SHORTEST, (end - start) * factor));
    const first = Math.max(0, Math.min(middle - (middle - start) / (end - start) * span, this.recording.seconds - span));
    this.range = [first, first + span]; this.changed();
  }

  reach(second) { // shown in the middle, unless it is shown already
    const [start, end] = this.range, span = end - start;
    if (second >= start && second <= end) return;
    const first = Math.max(0, Math.min(second - span / 2, this.recording.seconds - span));
    this.range = [first, first + span]; this.changed();
  }

  all() { this.range = [0, this.recording.seconds]; this.changed(); }

  changed() { // ask for what is drawn now, once the hand rests
    this.draw();
    clearTimeout(this.later);
    this.later = setTimeout(() => this.fetch(), this.peaks ? 120 : 0);
  }

  fetch() {
    const { id } = this.recording, { scale } = this, [start, end] = this.range, columns = Math.min(2000, Math.round(this.inner)), about = { start, end };
    return this.asked(async (signal) => {
      const peaks = await json(`v1/recordings/${id}/peaks?${query({ ...about, points: columns })}`, { signal });
      if (signal.aborted) return null;
      this.peaks = peaks; this.draw();
      if (end - start > LONGEST) return null;
      const answer = await ask(`v1/recordings/${id}/spectrogram?${query({ ...about, width: columns, height: SPECTRUM, scale })}`, { signal });
      return { ...about, scale, data: await pixels(answer) };
    }, (picture) => { this.picture = picture; this.shade(); this.draw(); });
  }

  shade() { if (this.picture) this.picture.shaded = coloured(this.picture.data, this.contrast); }

  draw() {
    if (!this.recording || !this.width) return;
    const ratio = devicePixelRatio || 1, { canvas, width, height } = this;
    canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = `11px ${style("--sans")}`; pen.textBaseline = "middle";
    this.drawTime(pen); this.drawWave(pen); this.drawSpectrum(pen); this.drawCause(pen); this.drawSpan(pen); this.drawLanes(pen);
    this.place.setAttribute("aria-label", this.told()); canvas.setAttribute("aria-label", this.told());
    this.moveLine(); this.onDraw?.();
  }

  told() {
    const [start, end] = this.range, heard = this.events.map((e) => words(e.label));
    const tags = [...new Set(heard)].slice(0, 5).join(", ");
    return `${this.recording.name}, ${clock(start)} to ${clock(end)} of ${clock(this.recording.seconds)}; mark at ${clock(this.mark)}; ` +
      `${numbered(heard.length, "event")}${tags ? `: ${tags}` : ""}`;
  }

  drawTime(pen) {
    const [start, end] = this.range, step = steps(end - start, this.inner / 80), digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
    pen.fillStyle = style("--soft"); pen.strokeStyle = style("--line"); pen.textAlign = "center";
    for (let at = Math.ceil(start / step) * step; at <= end + 1e-9; at += step) {
      const x = this.x(at);
      pen.beginPath(); pen.moveTo(x, TOP - 4); pen.lineTo(x, this.height); pen.stroke();
      if (x < this.width - 14) pen.fillText(clock(at, digits), Math.max(x, LEFT + 8), TOP / 2);
    }
  }

  drawWave(pen) {
    const middle = TOP + WAVE / 2;
    pen.strokeStyle = style("--line"); pen.beginPath(); pen.moveTo(LEFT, middle); pen.lineTo(LEFT + this.inner, middle); pen.stroke();
    if (!this.peaks) return;
    const { low, high, start, end } = this.peaks, count = low.length, loudest = Math.max(8, ...high.map(Math.abs), ...low.map(Math.abs));
    pen.save(); pen.beginPath(); pen.rect(LEFT, TOP, this.inner, WAVE); pen.clip();
    pen.fillStyle = style("--wave");
    const width = Math.max(1, (end - start) / count / (this.range[1] - this.range[0]) * this.inner);
    for (let i = 0; i < count; i++) {
      const x = this.x(start + (end - start) * i / count), top = middle - high[i] / loudest * WAVE / 2, bottom = middle - low[i] / loudest * WAVE / 2;
      pen.fillRect(x, top, width, Math.max(1, bottom - top));
    }
    pen.restore();
    pen.fillStyle = style("--soft"); pen.textAlign = "right";
    pen.fillText(`${Math.round(20 * Math.log10(loudest / 127)) || 0} dB`, LEFT - 6, TOP + 7); // what the height stands for
  }

  drawSpectrum(pen) {
    const top = TOP + WAVE + GAP, highest = this.recording.sample_rate / 2;
    pen.save(); pen.beginPath(); pen.rect(LEFT, top, this.inner, SPECTRUM); pen.clip();
    pen.fillStyle = "#000004"; pen.fillRect(LEFT, top, this.inner, SPECTRUM);
    if (this.picture?.shaded) {
      const left = this.x(this.picture.start);
      pen.drawImage(this.picture.shaded, left, top, this.x(this.picture.end) - left, SPECTRUM);
    } else if (this.range[1] - this.range[0] > LONGEST) {
      pen.fillStyle = "#ddd"; pen.textAlign = "center";
      pen.fillText(`Zoom in to ${LONGEST / 60} minutes or less for the spectrogram`, LEFT + this.inner / 2, top + SPECTRUM / 2);
    }
    pen.restore();
    const scale = this.picture?.scale ?? this.scale;
    const up = (hz) => top + SPECTRUM * (1 - (scale === "mel" ? mel(hz) / mel(highest) : hz / highest));
    const even = steps(highest / 1000, 6) * 1000;
    const marks = scale === "mel" ? [0, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000]
      : Array.from({ length: Math.floor(highest / even) + 1 }, (_, i) => i * even);
    pen.fillStyle = style("--soft"); pen.strokeStyle = style("--band"); pen.textAlign = "right";
    let last = Infinity;
    for (const hz of marks.filter((each) => each <= highest)) {
      const y = up(hz);
      if (last - y < 13) continue;
      last = y;
      pen.beginPath(); pen.moveTo(LEFT - 4, y); pen.lineTo(LEFT, y); pen.stroke();
      pen.fillText(hz >= 1000 ? `${hz / 1000} kHz` : `${hz} Hz`, LEFT - 6, Math.min(Math.max(y, top + 5), top + SPECTRUM - 5));
    }
  }

  drawCause(pen) { // a band over the spectrogram as strong as the values, and a frame in it around what has half of the highest or more
    if (!this.cause) return;
    const { edges, values } = this.cause, most = Math.max(...values), top = TOP + WAVE + GAP;
    if (!(most > 0)) return;
    pen.save(); pen.beginPath(); pen.rect(LEFT, top - GAP, this.inner, GAP + SPECTRUM); pen.clip();
    pen.fillStyle = style("--cause"); pen.strokeStyle = "#ffffff"; pen.lineWidth = 1.5; pen.setLineDash([5, 3]);
    let from = null;
    values.forEach((value, i) => {
      const x = this.x(edges[i]), next = this.x(edges[i + 1]);
      pen.globalAlpha = value / most; pen.fillRect(x, top - GAP + 1, next - x + 0.3, GAP - 2); pen.globalAlpha = 1;
      if (value >= most / 2) from ??= x;
      if (from !== null && !(values[i + 1] >= most / 2)) { pen.strokeRect(from + 1, top + 1.5, Math.max(2, next - from - 2), SPECTRUM - 3); from = null; }
    });
    pen.restore();
  }

  drawSpan(pen) {
    if (!this.span) return;
    const [left, right] = this.span.map((second) => this.x(second));
    pen.save(); pen.beginPath(); pen.rect(LEFT, TOP, this.inner, WAVE); pen.clip();
    pen.fillStyle = style("--accent"); pen.globalAlpha = 0.16; pen.fillRect(left, TOP, right - left, WAVE);
    pen.restore();
  }

  drawLanes(pen) {
    const top = TOP + WAVE + GAP + SPECTRUM + GAP, colour = style("--accent"), threshold = this.threshold;
    this.lanes.forEach((tag, number) => {
      const base = top + (number + 1) * LANE - 4, tall = LANE - 14, { times } = this.scores;
      pen.save(); pen.beginPath(); pen.rect(LEFT, base - tall - 8, this.inner, LANE); pen.clip();
      pen.fillStyle = style("--tint"); pen.strokeStyle = colour;
      const points = tag.values.map((value, i) => [this.x(times[i]), base - value * tall]);
      // the first and the last window reach to the ends
      if (points.length) { points.unshift([this.x(0), points[0][1]]); points.push([this.x(this.recording.seconds), points.at(-1)[1]]); }
      const outline = () => { pen.beginPath(); points.forEach(([x, y], i) => pen[i ? "lineTo" : "moveTo"](x, y)); };
      outline(); pen.lineTo(this.x(this.recording.seconds), base); pen.lineTo(this.x(0), base); pen.closePath(); pen.fill();
      outline(); pen.stroke();
      const limit = base - (threshold ?? tag.threshold) * tall;
      pen.strokeStyle = style("--band"); pen.setLineDash([3, 3]); pen.beginPath(); pen.moveTo(LEFT, limit); pen.lineTo(LEFT + this.inner, limit); pen.stroke(); pen.setLineDash([]);
      for (const event of this.events) {
        if (event.label !== tag.label) continue;
        pen.fillStyle = colour; pen.fillRect(this.x(event.onset), base, Math.max(2, this.x(event.offset) - this.x(event.onset)), 4);
      }
      pen.restore();
      pen.textAlign = "left"; pen.font = `12px ${style("--sans")}`;
      const name = words(tag.label), wide = pen.measureText(name).width;
      pen.fillStyle = style("--card"); pen.globalAlpha = .75; pen.fillRect(LEFT + 2, base - tall - 5, wide + 6, 14); pen.globalAlpha = 1;
      pen.fillStyle = style("--ink"); pen.fillText(name, LEFT + 5, base - tall + 2);
      pen.fillStyle = style("--soft"); pen.textAlign = "right"; pen.font = `11px ${style("--sans")}`;
      if (tag.values.length) pen.fillText(Math.max(...tag.values).toFixed(2), LEFT - 6, base - tall / 2);
    });
  }

  moveLine() { this.line.style.transform = `translateX(${this.x(this.mark)}px)`; this.line.hidden = this.mark < this.range[0] || this.mark > this.range[1]; }

  go(second) {
    this.mark = Math.max(0, Math.min(second, this.recording.seconds));
    const [start, end] = this.range, span = end - start;
    if (this.mark < start || this.mark > end) {
      const first = Math.max(0, Math.min(this.mark - span * 0.1, this.recording.seconds - span));
      this.range = [first, first + span]; this.changed();
    }
    this.moveLine(); this.onMark(this.mark);
  }

  pointed(event) {
    if (!this.recording || event.button) return;
    const box = this.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const second = this.second(Math.max(LEFT, x)), lane = Math.floor((y - (TOP + WAVE + GAP + SPECTRUM + GAP)) / LANE);
    const tag = this.lanes[lane]?.label, hit = this.events.find((e) => e.label === tag && e.onset <= second && second <= e.offset);
    const was = this.playing;
    this.stop(); this.go(second);
    if (hit) { this.onEvent(hit); this.play(hit.onset, hit.offset); } else if (was) this.play();
  }

  key(event) {
    if (!this.recording || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = (this.range[1] - this.range[0]) * (event.shiftKey ? 0.1 : 0.01);
    const keys = { ArrowLeft: () => this.go(this.mark - step), ArrowRight: () => this.go(this.mark + step), Home: () => this.go(0), End: () => this.go(this.recording.seconds) };
    if (!keys[event.key]) return;
    this.stop(); keys[event.key](); event.preventDefault();
  }

  toggle() { this.playing ? this.stop() : this.play(); }

  play(start = this.mark >= this.recording.seconds - 0.05 ? 0 : this.mark, end = null) {
    this.stop();
    this.from = start; this.until = end; this.playing = true;
    const played = play(this.audio, `v1/recordings/${this.recording.id}/audio?${query({ start, end })}`);
    this.audio.playbackRate = this.rate; this.audio.preservesPitch = false; // slow and low: what is too high or too fast is heard
    played.catch((error) => { if (error.name !== "AbortError") this.stop(); unplayed(error); });
    this.onPlay?.(true);
    const follow = () => { if (!this.playing) return; this.go(this.from + this.audio.currentTime); this.frame = requestAnimationFrame(follow); };
    follow();
  }

  stop(ended = false) {
    if (!this.playing) return;
    this.playing = false; cancelAnimationFrame(this.frame);
    this.audio.pause();
    if (ended && this.until) this.go(this.from); // an event is ready to be heard again
    this.onPlay?.(false);
  }
}
