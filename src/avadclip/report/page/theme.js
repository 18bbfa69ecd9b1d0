// Light or dark theme: the system's or the viewer's choice. Runs before the page is drawn, to avoid a flash.
"use strict";

(function (avadclip) {
  const KEY = "avadclip-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const listeners = [];

  function chosen() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is disabled
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
      // it is kept until the page is closed
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
