// Makes pages more comfortable; all of them work without it.
"use strict";

// Tables that are on the page as a whole are sorted here, by a button in each head.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  if (!body || body.rows.length < 3) continue;
  for (const [place, head] of [...table.tHead.rows[0].cells].entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[place];
        return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
      };
      const order = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (typeof x === "string" || typeof y === "string") return String(x).localeCompare(String(y), "en", { numeric: true });
        // What has no number stays at the end.
        if (Number.isNaN(x) || Number.isNaN(y)) return (Number.isNaN(x) - Number.isNaN(y)) * (descending ? -1 : 1);
        return x - y;
      };
      const rows = [...body.rows].sort(order);
      body.append(...(descending ? rows.reverse() : rows));
    });
  }
}

// The button that compares says how many are chosen.
const compare = document.querySelector("button[data-compare]");
if (compare) {
  const words = compare.textContent;
  const count = () => {
    const chosen = compare.form.querySelectorAll("input[name=item]:checked").length;
    compare.textContent = chosen ? `${words} (${chosen})` : words;
  };
  compare.form.addEventListener("change", count);
  count();
}

// A link that can be kept is copied at a click.
for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(new URL(button.dataset.copy, location.href).href);
    button.textContent = "Copied";
  });
}
