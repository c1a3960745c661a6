"use strict";
// The scores of each image by every method, and the difference of two; a row opens its image in the comparison.

(() => {
  const element = (id) => document.getElementById(id);
  const table = element("image-table");
  const choices = { metric: element("metric"), minuend: element("minuend"), subtrahend: element("subtrahend") };
  const filter = element("image-filter");
  const firstOrder = { key: "difference", descending: true };
  const firstRows = 50; // a large test set has thousands
  let set;
  let sorted;
  let all;

  const methods = () => set.sources.filter(({ name }) => name in set.scores);

  function make(tag, content = [], properties = {}) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...[content].flat());
    return made;
  }

  // The columns: what one is sorted by, and how it is shown.
  function columns() {
    const column = Number(choices.metric.value);
    const { digits, label } = set.metrics[column];
    const value = (name) => (index) => set.scores[name][column][index];
    const a = value(choices.minuend.value);
    const b = value(choices.subtrahend.value);
    const difference = (index) => minus(a(index), b(index));
    return [
      { key: "image", title: "Image", of: (index) => set.names[index] },
      { key: "difference", title: `Difference in ${label}`, of: difference, shown: (number) => signed(number, digits) },
      ...methods().map(({ name, label: title }) => ({ key: name, title, of: value(name), shown: (number) => fixed(number, digits) })),
    ];
  }

  function draw() {
    const shownColumns = columns();
    const by = shownColumns.find(({ key }) => key === sorted.key);
    const wanted = filter.value.trim().toLowerCase();
    const indices = set.names.map((_, index) => index).filter((index) => set.names[index].toLowerCase().includes(wanted));
    indices.sort((i, j) => compare(by.of(i), by.of(j), sorted.descending));
    const difference = shownColumns.find(({ key }) => key === "difference");
    const finite = set.names.map((_, index) => Math.abs(difference.of(index) ?? 0)).filter(Number.isFinite);
    const largest = Math.max(...finite, Number.MIN_VALUE);
    const better = set.metrics[Number(choices.metric.value)].better === "higher" ? 1 : -1;

    const headers = shownColumns.map((column, place) => {
      const button = make("button", column.title, { type: "button" });
      button.addEventListener("click", () => {
        const start = column.key !== "image";
        if (sorted.key !== column.key) sorted = { key: column.key, descending: start };
        else if (sorted.descending === start) sorted = { key: column.key, descending: !start };
        else sorted = firstOrder;
        draw();
        table.tHead.querySelectorAll("button")[place].focus();
      });
      return make("th", button, { scope: "col" });
    });
    markSorted(headers, headers[shownColumns.indexOf(by)], sorted.descending);
    table.tHead.replaceChildren(make("tr", headers));

    const shown = indices.slice(0, all ? undefined : firstRows);
    table.tBodies[0].replaceChildren(...shown.map((index) => row(index, shownColumns, largest, better)));
    element("image-count").textContent = `${shown.length} of ${set.names.length} images, ${set.shown.length} of them with pictures.`;
    element("all-images").hidden = shown.length === indices.length;
  }

  function row(index, shownColumns, largest, better) {
    const name = set.names[index];
    const hasPicture = set.shown.includes(index);
    const cells = shownColumns.slice(1).map(({ key, of, shown }) => {
      const value = of(index);
      const cell = make("td", value === null ? "–" : shown(value), { className: "number" });
      if (key === "difference" && value !== null) {
        const bar = make("span", [], { className: value * better < 0 ? "lead minus" : "lead" });
        bar.style.setProperty("--part", Math.min(1, Math.abs(value) / largest));
        cell.append(bar);
      }
      return cell;
    });
    const made = make("tr");
    if (!hasPicture) {
      made.append(make("th", name, { scope: "row" }), ...cells);
      return made;
    }
    const reference = set.sources.at(-1);
    const picture = make("img", [], { alt: "", width: 48, height: 48, loading: "lazy" });
    picture.src = `files/images/${reference.folder}/${encodeURIComponent(name)}${reference.suffix}`;
    const button = make("button", [picture, make("span", name)], { type: "button" });
    made.append(make("th", button, { scope: "row" }), ...cells);
    made.classList.add("opens");
    made.addEventListener("click", () => {
      const detail = { image: name, left: choices.subtrahend.value, right: choices.minuend.value };
      document.dispatchEvent(new CustomEvent("image-chosen", { detail }));
    });
    return made;
  }

  for (const choice of Object.values(choices)) choice.addEventListener("change", draw);
  filter.addEventListener("input", draw);
  element("all-images").addEventListener("click", () => {
    all = true;
    draw();
  });

  document.addEventListener("set-chosen", (event) => {
    set = event.detail;
    sorted = firstOrder;
    all = false;
    const options = (entries) => entries.map(([value, label]) => make("option", label, { value }));
    choices.metric.replaceChildren(...options(set.metrics.map(({ label }, index) => [index, label])));
    for (const name of ["minuend", "subtrahend"]) {
      choices[name].replaceChildren(...options(methods().map((method) => [method.name, method.label])));
    }
    choices.minuend.value = set.leader;
    choices.subtrahend.value = methods().find(({ name }) => name !== set.leader)?.name ?? set.leader;
    draw();
  });
})();
