"use strict";
// One image by two methods with a divider between them, their difference, and every method: all show the same part of it.
// The address keeps what is shown, so that a link opens the same view.

(() => {
  const element = (id) => document.getElementById(id);
  const stage = element("stage");
  const divider = element("divider");
  const choices = { image: element("image"), left: element("left"), right: element("right"), gain: element("gain") };
  const largestZoom = 32;
  let set;
  // The divider in percent of the stage; the zoom, and the part's upper left corner as fractions of the image.
  let view = { divider: 50, zoom: 1, x: 0, y: 0 };
  let opened = false; // until then nothing is written into the address

  const source = (name) => set.sources.find((candidate) => candidate.name === name);
  const address = (of, name) =>
    ["files/images", of.folder, encodeURIComponent(name)].join("/") + of.suffix;

  function option(value, label) {
    const made = document.createElement("option");
    made.value = value;
    made.textContent = label;
    return made;
  }

  function show(change) {
    view = { ...view, ...change };
    view.zoom = Math.min(Math.max(view.zoom, 1), largestZoom);
    view.x = Math.min(Math.max(view.x, 0), 1 - 1 / view.zoom);
    view.y = Math.min(Math.max(view.y, 0), 1 - 1 / view.zoom);
    view.divider = Math.min(Math.max(view.divider, 0), 100);
    const viewer = element("viewer");
    viewer.style.setProperty("--view", `scale(${view.zoom}) translate(${-100 * view.x}%, ${-100 * view.y}%)`);
    viewer.style.setProperty("--divider", `${view.divider}%`);
    viewer.classList.toggle("zoomed", view.zoom > 1);
    viewer.classList.toggle("squares", view.zoom >= 3);
    const percent = Math.round(view.divider);
    divider.setAttribute("aria-valuenow", percent);
    divider.setAttribute("aria-valuetext", `${percent} % ${source(choices.left.value).label}, ${100 - percent} % ${source(choices.right.value).label}`);
    element("zoom").textContent = `${view.zoom.toFixed(1)} ×`;
    if (opened) remember();
  }

  // Not at every step of a drag: browsers limit how often an address changes.
  function remember() {
    clearTimeout(remember.timer);
    remember.timer = setTimeout(() => {
      const state = new URLSearchParams({ set: set.key });
      for (const [key, choice] of Object.entries(choices)) state.set(key, choice.value);
      for (const [key, value] of Object.entries(view)) state.set(key, Number(value.toFixed(6)));
      history.replaceState(null, "", `#${state}`);
    }, 200);
  }

  // Show what the address says; what this run does not have stays as it is.
  function recall() {
    const state = new URLSearchParams(location.hash.slice(1));
    if (!state.has("image")) return;
    const choose = (choice, value) => {
      if ([...choice.options].some((candidate) => candidate.value === value)) choice.value = value;
    };
    const picker = element("set");
    if (picker) {
      choose(picker, state.get("set"));
      picker.dispatchEvent(new Event("change"));
    }
    for (const [key, choice] of Object.entries(choices)) choose(choice, state.get(key));
    draw();
    const numbers = Object.keys(view).map((key) => [key, parseFloat(state.get(key))]);
    show(Object.fromEntries(numbers.filter(([, value]) => Number.isFinite(value))));
    element("compare").scrollIntoView();
  }

  // Zoom about a point of the stage, given as fractions of its sides.
  function zoomBy(factor, at = { x: 0.5, y: 0.5 }) {
    const zoom = Math.min(Math.max(view.zoom * factor, 1), largestZoom);
    show({ zoom, x: view.x + at.x / view.zoom - at.x / zoom, y: view.y + at.y / view.zoom - at.y / zoom });
  }

  function pan(x, y) {
    show({ x: view.x + x / view.zoom, y: view.y + y / view.zoom });
  }

  function draw() {
    const name = choices.image.value;
    for (const side of ["left", "right"]) {
      const of = source(choices[side].value);
      const image = element(`${side}-image`);
      image.src = address(of, name);
      image.alt = `${name} by ${of.label}`;
      image.classList.toggle("low", of.name === "LR");
      element(`${side}-tag`).textContent = of.label;
      element(`${side}-difference`).src = image.src;
      element(`${side}-difference`).className = image.className;
    }
    element("difference").style.setProperty("--gain", choices.gain.value);
    drawScores();
    drawContact(name);
    show({});
  }

  function drawScores() {
    const index = set.names.indexOf(choices.image.value);
    const sides = [choices.left.value, choices.right.value];
    const cell = (text, tag = "td") => {
      const made = document.createElement(tag);
      made.textContent = text;
      if (tag === "th") made.scope = "col";
      return made;
    };
    const line = (cells) => {
      const row = document.createElement("tr");
      row.append(...cells);
      return row;
    };
    const head = document.createElement("thead");
    head.append(line(["This image", ...sides.map((name) => source(name).label), "right − left"].map((text) => cell(text, "th"))));
    const body = document.createElement("tbody");
    set.metrics.forEach((metric, column) => {
      const values = sides.map((name) => set.scores[name]?.[column][index] ?? null);
      const difference = minus(values[1], values[0]);
      const texts = [...values.map((value) => (value === null ? "–" : fixed(value, metric.digits))), difference === null ? "–" : signed(difference, metric.digits)];
      const title = cell(`${metric.label} ${metric.better === "higher" ? "↑" : "↓"}`, "th");
      title.scope = "row";
      body.append(line([title, ...texts.map((text) => cell(text))]));
    });
    element("image-scores").replaceChildren(head, body);
  }

  function drawContact(name) {
    const panes = set.sources.map((of) => {
      const pane = document.createElement("button");
      pane.type = "button";
      pane.setAttribute("aria-pressed", String([choices.left.value, choices.right.value].includes(of.name)));
      const frame = document.createElement("span");
      frame.className = "frame";
      const image = document.createElement("img");
      image.src = address(of, name);
      image.alt = "";
      image.draggable = false;
      image.classList.toggle("low", of.name === "LR");
      frame.append(image);
      const label = document.createElement("span");
      label.textContent = of.label;
      pane.append(frame, label);
      pane.addEventListener("click", () => {
        choices.right.value = of.name;
        draw();
      });
      return pane;
    });
    element("contact").replaceChildren(...panes);
  }

  element("left-image").addEventListener("load", (event) => {
    const { naturalWidth, naturalHeight } = event.target;
    element("viewer").style.setProperty("--shape", `${naturalWidth} / ${naturalHeight}`);
  });

  // Pointers: the divider is dragged; so is the image when it is zoomed, else the divider jumps to the pointer.
  const fraction = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  };
  let dragged = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    dragged = { at: fraction(event), pans: event.target !== divider && view.zoom > 1 };
    stage.setPointerCapture(event.pointerId);
    divider.focus({ preventScroll: true });
    event.preventDefault();
    if (!dragged.pans) show({ divider: 100 * dragged.at.x });
  });
  stage.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    const at = fraction(event);
    if (dragged.pans) pan(dragged.at.x - at.x, dragged.at.y - at.y);
    else show({ divider: 100 * at.x });
    dragged.at = at;
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => (dragged = null));
  stage.addEventListener("dblclick", (event) => zoomBy(view.zoom > 1 ? 0 : 4, fraction(event)));
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 200), fraction(event));
  }, { passive: false });

  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  divider.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = steps[event.key];
    if (step && event.shiftKey) pan(step[0] / 10, step[1] / 10);
    else if (step) show({ divider: view.divider + 2 * (step[0] - step[1]) });
    else if (event.key === "PageUp" || event.key === "PageDown") show({ divider: view.divider + (event.key === "PageUp" ? 10 : -10) });
    else if (event.key === "Home" || event.key === "End") show({ divider: event.key === "Home" ? 0 : 100 });
    else if (event.key === "+" || event.key === "=") zoomBy(1.5);
    else if (event.key === "-") zoomBy(1 / 1.5);
    else if (event.key === "0") show({ zoom: 1 });
    else return;
    event.preventDefault();
  });

  element("zoom-in").addEventListener("click", () => zoomBy(1.5));
  element("zoom-out").addEventListener("click", () => zoomBy(1 / 1.5));
  element("fit").addEventListener("click", () => show({ zoom: 1 }));
  element("swap").addEventListener("click", () => {
    [choices.left.value, choices.right.value] = [choices.right.value, choices.left.value];
    draw();
  });
  for (const choice of Object.values(choices)) choice.addEventListener("change", draw);

  document.addEventListener("image-chosen", (event) => {
    Object.entries(event.detail).forEach(([side, name]) => (choices[side].value = name));
    draw();
    element("compare").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    divider.focus({ preventScroll: true });
  });

  document.addEventListener("set-chosen", (event) => {
    set = event.detail;
    choices.image.replaceChildren(...set.shown.map((index) => option(set.names[index], set.names[index])));
    for (const side of ["left", "right"]) {
      choices[side].replaceChildren(...set.sources.map(({ name, label }) => option(name, label)));
    }
    choices.image.value = set.names[set.opened];
    choices.left.value = set.sources[1].name;
    choices.right.value = set.leader;
    if (set.leader === set.sources[1].name) choices.right.value = "HR";
    show({ divider: 50, zoom: 1 });
    draw();
  });

  // After the first test set is chosen.
  document.addEventListener("DOMContentLoaded", () => {
    recall();
    opened = true;
  });
  addEventListener("hashchange", recall);
})();
