// Keyboard shortcuts of the page. A focused control keeps the keys it needs.
"use strict";

(function (avadclip) {
  const STEP_SECONDS = 5;

  function connectKeyboard(player, { next, previous }) {
    const actions = {
      " ": player.toggle,
      ArrowLeft: () => player.seek(player.time() - STEP_SECONDS),
      ArrowRight: () => player.seek(player.time() + STEP_SECONDS),
      n: next,
      p: previous,
    };

    function isTaken(key, target) {
      if (key === " ") return target.closest("button, a, input, label, summary") !== null;
      return key.startsWith("Arrow") && target.closest("input") !== null;
    }

    // A button that was clicked gives its focus up: the space bar plays, and does not press it again.
    document.addEventListener("click", ({ detail }) => {
      const isPointer = detail > 0; // a key's click has no count
      if (isPointer && document.activeElement?.matches("button, input[type=range]")) document.activeElement.blur();
    });

    // Before the video's own controls, which would play and seek a second time.
    document.addEventListener(
      "keydown",
      (event) => {
        const action = actions[event.key];
        if (!action || event.ctrlKey || event.metaKey || event.altKey || isTaken(event.key, event.target)) return;
        event.preventDefault();
        event.stopPropagation();
        action();
      },
      { capture: true },
    );
  }

  avadclip.keyboard = { connectKeyboard };
})((globalThis.avadclip ??= {}));
