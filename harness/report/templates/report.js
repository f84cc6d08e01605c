"use strict";
// Nothing is lost without this: it sorts tables, and opens what a link leads to or a print needs,
// which is all but the configurations.
const TURNS = { none: "ascending", ascending: "descending", descending: "none" };

function sorted(groups, column, turn) {
  const key = (group) => {
    const cell = group.rows[0].cells[column];
    return cell.dataset.key === undefined ? cell.textContent.trim() : cell.dataset.key;
  };
  const sign = turn === "ascending" ? 1 : -1;
  const number = groups.some((group) => group.rows[0].cells[column].dataset.key !== undefined);
  return [...groups].sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    if (a === "" || b === "") return (a === "") - (b === "");
    const difference = number
      ? (Number(a) > Number(b)) - (Number(a) < Number(b))
      : a.localeCompare(b, "en", { numeric: true });
    return sign * difference;
  });
}

function makeSortable(table) {
  const groups = [...table.tBodies];
  if (groups.length < 2) return;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.setAttribute("aria-label", "Sort by " + head.textContent.trim());
    button.addEventListener("click", () => {
      const turn = TURNS[head.getAttribute("aria-sort")];
      for (const other of head.parentNode.cells) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", turn);
      table.append(...(turn === "none" ? groups : sorted(groups, column, turn)));
    });
    head.append(button);
    head.setAttribute("aria-sort", "none");
  });
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target === null) return;
  for (let part = target; part !== null; part = part.parentElement) {
    if (part instanceof HTMLDetailsElement) part.open = true;
  }
  target.scrollIntoView();
}

for (const table of document.querySelectorAll("table")) makeSortable(table);
addEventListener("hashchange", openTarget);
openTarget();
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open], details details[id])")) {
    part.open = true;
    addEventListener("afterprint", () => { part.open = false; }, { once: true });
  }
});
