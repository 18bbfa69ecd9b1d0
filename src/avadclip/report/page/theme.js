// Light or dark: as the system has it, or as the reader chose. Runs before the page is drawn, so that nothing flashes.
"use strict";

(function (avadclip) {
  const KEY = "avadclip-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const listeners = [];

  function chosen() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off
    }
  }

  function show(theme) {
    document.documentElement.dataset.theme = theme;
    listeners.forEach((listener) => listener(theme));
  }

  function toggle() {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // it still holds until the page is closed
    }
    show(theme);
  }

  function connectButton() {
    const button = document.getElementById("theme");
    const name = (theme) => {
      button.textContent = theme === "dark" ? "Light" : "Dark";
      button.setAttribute("aria-label", `Switch to ${button.textContent.toLowerCase()} colours`);
    };
    button.addEventListener("click", toggle);
    listeners.push(name);
    name(document.documentElement.dataset.theme);
  }

  const showSystem = () => show(chosen() ?? (system.matches ? "dark" : "light"));
  showSystem();
  system.addEventListener("change", showSystem);
  document.addEventListener("DOMContentLoaded", connectButton);
  avadclip.theme = { onChange: (listener) => listeners.push(listener) };
})((globalThis.avadclip ??= {}));
