"use strict";
const data = JSON.parse(document.getElementById("data").textContent);

// Tables: a click on a column's name sorts by it, a second click turns the order; what has no value stays last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => row.cells[column].dataset.key;
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const rows = [...table.tBodies[0].rows];
    const known = rows.map((row) => key(row, column)).filter((value) => value !== undefined);
    const numbers = known.every((value) => value.trim() !== "" && !Number.isNaN(Number(value)));
    const before = head.getAttribute("aria-sort");
    const falling = before === "none" ? numbers : before === "ascending";
    const order = (a, b) => (numbers ? a - b : a.localeCompare(b, undefined, { numeric: true }));
    rows.sort((one, other) => {
      const a = key(one, column), b = key(other, column);
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
      return falling ? order(b, a) : order(a, b);
    });
    table.tBodies[0].append(...rows);
    for (const other of heads) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  }));
}

// Precision against recall: the curve of the chosen tag.
const choice = document.getElementById("tag");
choice?.addEventListener("change", () => {
  const shown = data.curves[Number(choice.value)];
  const chance = document.getElementById("chance");
  document.getElementById("curve").setAttribute("d", shown.d);
  chance.setAttribute("y1", shown.chance);
  chance.setAttribute("y2", shown.chance);
  document.getElementById("curve-told").textContent = shown.told;
});

// Errors of one cell of the confusion, and all of them again.
const clips = [...document.querySelectorAll(".clip[data-cell]")];
const filter = document.getElementById("filter");
function show(cell, told) {
  let count = 0;
  for (const clip of clips) {
    clip.hidden = cell !== null && clip.dataset.cell !== cell;
    count += !clip.hidden;
    if (clip.hidden) clip.querySelector("audio")?.pause();
  }
  if (!filter) return;
  filter.hidden = cell === null;
  if (cell !== null) filter.querySelector("span").textContent = `${told}: ${count} listed here.`;
}
const matrix = document.getElementById("matrix");
if (matrix) {
  const told = document.getElementById("cell-told");
  const answers = [...matrix.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent);
  const rows = [...matrix.tBodies[0].rows].map((row) => [...row.cells].slice(1));
  const truths = [...matrix.tBodies[0].rows].map((row) => row.cells[0].textContent);
  const sums = rows.map((row) => row.reduce((sum, cell) => sum + Number(cell.textContent), 0));
  const place = (cell) => [cell.parentElement.sectionRowIndex, cell.cellIndex - 1];
  const inside = (target) => target.closest?.("#matrix tbody td");
  const sentence = (cell) => {
    const [i, k] = place(cell);
    const count = Number(cell.textContent);
    const share = sums[i] ? ` (${Math.round((100 * count) / sums[i])} %)` : "";
    return `${truths[i]} answered as ${answers[k]}: ${count} of ${sums[i]}${share}`;
  };
  const tell = (cell) => { told.textContent = sentence(cell); };
  const choose = (cell) => {
    const [i, k] = place(cell);
    const again = cell.classList.contains("chosen");
    matrix.querySelector(".chosen")?.classList.remove("chosen");
    if (again || i === k || !Number(cell.textContent)) return show(null, "");
    cell.classList.add("chosen");
    show(`${i} ${k}`, sentence(cell));
    filter?.scrollIntoView({ block: "center" });
  };
  for (const row of rows) for (const cell of row) cell.tabIndex = -1;
  rows[0][0].tabIndex = 0;
  matrix.addEventListener("mouseover", (event) => { const cell = inside(event.target); if (cell) tell(cell); });
  matrix.addEventListener("click", (event) => { const cell = inside(event.target); if (cell) choose(cell); });
  matrix.addEventListener("focusin", (event) => {
    const cell = inside(event.target);
    if (!cell) return;
    matrix.querySelector('td[tabindex="0"]').tabIndex = -1;
    cell.tabIndex = 0;
    tell(cell);
  });
  matrix.addEventListener("keydown", (event) => {
    const cell = inside(event.target);
    if (!cell) return;
    const [i, k] = place(cell);
    const to = { ArrowUp: [i - 1, k], ArrowDown: [i + 1, k], ArrowLeft: [i, k - 1], ArrowRight: [i, k + 1],
      Home: [i, 0], End: [i, rows[i].length - 1] }[event.key];
    if (to) rows[to[0]]?.[to[1]]?.focus();
    else if (event.key === "Enter" || event.key === " ") choose(cell);
    else return;
    event.preventDefault();
  });
}
filter?.querySelector("button").addEventListener("click", () => {
  matrix?.querySelector(".chosen")?.classList.remove("chosen");
  show(null, "");
});

// Players: one at a time, with its place shown in the spectrogram, which can be clicked.
const players = [...document.querySelectorAll("audio")];
for (const player of players) {
  const scene = player.previousElementSibling;
  const head = scene?.querySelector(".playhead");
  player.addEventListener("play", () => { for (const other of players) if (other !== player) other.pause(); });
  player.addEventListener("timeupdate", () => {
    if (!head) return;
    head.hidden = false;
    head.style.left = `${(100 * player.currentTime) / (player.duration || 1)}%`;
  });
  scene?.addEventListener("click", (event) => {
    const box = scene.getBoundingClientRect();
    if (player.duration) player.currentTime = (player.duration * (event.clientX - box.left)) / box.width;
    player.play();
  });
}
