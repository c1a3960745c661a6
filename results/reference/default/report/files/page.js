"use strict";
// What all of the page shares: the theme, the chosen test set, commands that are copied. Loaded before the page is drawn.

(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function remembered() {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // a browser that keeps nothing for files
    }
  }

  function setTheme(theme) {
    root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.textContent = theme === "dark" ? "Light colours" : "Dark colours"; // what a click does
  }

  function switchTheme() {
    setTheme(root.dataset.theme === "dark" ? "light" : "dark");
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {} // it holds until the page is closed
  }

  const preferred = () => setTheme(remembered() ?? (dark.matches ? "dark" : "light"));
  preferred();
  dark.addEventListener("change", preferred);

  function showSet(key) {
    for (const part of document.querySelectorAll("[data-set]")) part.hidden = part.dataset.set !== key;
    document.dispatchEvent(new CustomEvent("set-chosen", { detail: TEST_SETS.find((set) => set.key === key) }));
  }

  async function copy(command) {
    const toast = document.getElementById("toast");
    let copied = true;
    try {
      await navigator.clipboard.writeText(command);
    } catch {
      copied = copyBySelection(command);
    }
    toast.textContent = `${copied ? "Copied" : "To copy"}: ${command}`;
    toast.classList.add("shown");
    clearTimeout(copy.timer);
    copy.timer = setTimeout(() => toast.classList.remove("shown"), copied ? 3000 : 20000);
  }

  // The older way, for pages that may not use the clipboard.
  function copyBySelection(text) {
    const field = document.createElement("textarea");
    const focused = document.activeElement;
    field.value = text;
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    focused?.focus();
    return copied;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-command]");
    if (button) copy(button.dataset.command);
    if (event.target.closest("#theme")) switchTheme();
  });

  document.addEventListener("DOMContentLoaded", () => {
    setTheme(root.dataset.theme);
    const picker = document.getElementById("set");
    picker?.addEventListener("change", () => showSet(picker.value));
    showSet(picker?.value ?? TEST_SETS[0].key);
  });
})();
