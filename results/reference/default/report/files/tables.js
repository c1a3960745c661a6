"use strict";
// Tables that are sorted by a click on a column's title, the other way by a second, as they were by a third; and
// filtered by what is typed.

// A comparison of numbers or texts; what is missing comes last either way.
function compare(a, b, descending) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "number" ? (a === b ? 0 : a - b) : a.localeCompare(b, undefined, { numeric: true });
  return descending ? -order : order;
}

// A number as it is shown; a perfect score may be infinite.
function fixed(value, digits) {
  return (Number.isFinite(value) ? value.toFixed(digits) : value > 0 ? "∞" : "-∞").replace("-", "−");
}

// A difference with its sign: "−0.009".
function signed(value, digits) {
  return (value > 0 ? "+" : "") + fixed(value, digits);
}

// The difference of two scores; none where one is missing or both are infinite.
function minus(a, b) {
  return a === null || b === null || Number.isNaN(a - b) ? null : a - b;
}

// Mark the column that a table is sorted by, if any.
function markSorted(headers, sorted, descending) {
  for (const header of headers) header.removeAttribute("aria-sort");
  sorted?.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

// A column of buttons that copy what makes the numbers of a row again; tables know of no commands.
function addCommands(table, commands) {
  const title = document.createElement("th");
  title.scope = "col";
  title.textContent = "Reproduce";
  table.tHead.rows[0].append(title);
  for (const row of table.tBodies[0].rows) {
    const button = document.createElement("button");
    const command = commands[row.dataset.model];
    Object.assign(button, { type: "button", className: "quiet", textContent: "Copy command", title: command });
    button.dataset.command = command;
    row.insertCell().append(button);
  }
}

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const commands = table.closest("figure")?.dataset.commands;
  if (commands) addCommands(table, JSON.parse(commands));
  const headers = [...table.tHead.rows[0].cells];
  const first = [...body.rows];

  const keyOf = (row, column, numbers) => {
    const cell = row.cells[column];
    if (numbers) return "value" in cell.dataset ? Number(cell.dataset.value) : null;
    return cell.textContent.trim();
  };

  headers.forEach((header, column) => {
    header.querySelector("button")?.addEventListener("click", () => {
      const rows = [...body.rows];
      const numbers = rows.some((row) => "value" in row.cells[column].dataset);
      const sorted = header.getAttribute("aria-sort");
      const start = header.textContent.includes("↑"); // the best first
      if (sorted && (sorted === "descending") !== start) {
        body.append(...first);
        markSorted(headers);
        return;
      }
      const descending = sorted ? !start : start;
      rows.sort((a, b) => compare(keyOf(a, column, numbers), keyOf(b, column, numbers), descending));
      body.append(...rows);
      markSorted(headers, header, descending);
    });
  });

  const filter = table.closest("figure")?.querySelector(".filter");
  filter?.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
}
