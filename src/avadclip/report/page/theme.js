// Light or dark: as the system has it, or as the reader chose. Runs before the page is drawn, so that nothing flashes.
"use strict";

(function (avadclip) {
  const KEY = "avadclip-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const listeners = [];

  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off
    }
  }

  function current() {
    return document.documentElement.dataset.theme;
  }

  function apply() {
    document.documentElement.dataset.theme = stored() ?? (system.matches ? "dark" : "light");
    listeners.forEach((listener) => listener());
  }

  function toggle() {
    const chosen = current() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, chosen);
      apply();
    } catch {
      document.documentElement.dataset.theme = chosen;
      listeners.forEach((listener) => listener());
    }
  }

  function connectButton() {
    const button = document.getElementById("theme");
    const name = () => {
      button.textContent = current() === "dark" ? "Light" : "Dark";
      button.setAttribute("aria-label", `Switch to ${button.textContent.toLowerCase()} colours`);
    };
    button.addEventListener("click", toggle);
    listeners.push(name);
    name();
  }

  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", connectButton);
  avadclip.theme = { onChange: (listener) => listeners.push(listener) };
})((globalThis.avadclip ??= {}));
