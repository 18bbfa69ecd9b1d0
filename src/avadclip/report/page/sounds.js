// Named sounds: rows of bars under the score curve, and those of an event.
"use strict";

(function (avadclip) {
  const { clock } = avadclip.words;
  const MAX_ROWS = 8; // as in avadclip/report/sounds.py
  const MAX_NAMES = 5; // of an event, as in avadclip/inference/named_sounds.py

  const byProbability = (one, other) => other.probability - one.probability;

  /** `gunshot` for `Gunshot, gunfire`: AudioSet's names list synonyms. */
  function shortName(name) {
    const first = name.split(",")[0].trim();
    return first.slice(0, 1).toLowerCase() + first.slice(1);
  }

  /** The most probable names, the most probable first. */
  function rowNames(sounds) {
    return [...new Set([...sounds].sort(byProbability).map(({ name }) => name))].slice(0, MAX_ROWS);
  }

  /** The most probable sounds in [start, end), each name once. */
  function during(sounds, start, end) {
    const inside = sounds.filter((sound) => sound.start < end && sound.end > start).sort(byProbability);
    return inside.filter(({ name }, index) => inside.findIndex((one) => one.name === name) === index).slice(0, MAX_NAMES);
  }

  /** Plotly trace of the bars; a name has its row. */
  function bars(sounds, names, { colour, plain, yaxis }) {
    const shown = sounds.filter(({ name }) => names.includes(name));
    return {
      type: "bar",
      orientation: "h",
      base: shown.map(({ start }) => start),
      x: shown.map(({ start, end }) => end - start),
      y: shown.map(({ name }) => names.indexOf(name)),
      width: 0.7,
      yaxis,
      // An outline as well: a second in an hour is less than a pixel wide, and must still be seen.
      marker: { color: colour, opacity: shown.map(({ probability }) => 0.3 + 0.7 * probability),
        line: { color: colour, width: 1 } },
      hovertext: shown.map(({ name, probability, start, end }) =>
        `${plain(name)} ${probability.toFixed(2)}, ${clock(start, 1)} – ${clock(end, 1)}`),
      hoverinfo: "text",
    };
  }

  avadclip.sounds = { shortName, rowNames, during, bars };
})((globalThis.avadclip ??= {}));
