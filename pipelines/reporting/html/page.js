"use strict";
// Texts of marks on hover, focus and touch; tables sorted by a click; the theme by a button;
// folded parts opened for printing.
const tip = document.getElementById("tip");
function showTip(mark) {
  const box = mark.getBoundingClientRect();
  tip.textContent = mark.dataset.tip;
  tip.hidden = false;
  const left = Math.min(Math.max(4, box.left + box.width / 2 - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 4);
  const above = box.top - tip.offsetHeight - 6;
  tip.style.left = left + "px";
  tip.style.top = (above > 0 ? above : box.bottom + 6) + "px";
}
for (const kind of ["pointerover", "focusin", "click"]) {
  document.addEventListener(kind, (event) => {
    const mark = event.target.closest ? event.target.closest("[data-tip]") : null;
    if (mark) showTip(mark); else tip.hidden = true;
  });
}
document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
function valueOf(cell) {
  const text = cell.textContent.trim().replaceAll(",", "");
  const number = Number.parseFloat(text);
  return Number.isNaN(number) ? text : number;
}
for (const head of document.querySelectorAll("table[data-sortable] thead th")) {
  head.tabIndex = 0;
  const sort = () => {
    const place = head.cellIndex, body = head.closest("table").tBodies[0];
    const down = head.getAttribute("aria-sort") === "descending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "ascending" : "descending");
    const rows = [...body.rows].sort((a, b) => {
      const x = valueOf(a.cells[place]), y = valueOf(b.cells[place]);
      // a dash or "too few" is no number: below the numbers, whichever way they are sorted
      if (typeof x !== typeof y) return typeof x === "string" ? 1 : -1;
      return (x > y ? 1 : x < y ? -1 : 0) * (down ? 1 : -1);
    });
    body.append(...rows);
  };
  head.addEventListener("click", sort);
  head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
}
// What is folded away on a screen is open on paper, and as it was before when that is done.
const unfolded = [];
addEventListener("beforeprint", () => {
  tip.hidden = true;
  for (const details of document.querySelectorAll("details:not([open])")) { details.open = true; unfolded.push(details); }
});
addEventListener("afterprint", () => { for (const details of unfolded.splice(0)) details.open = false; });
const root = document.documentElement, button = document.getElementById("theme");
button.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
