// Named sounds: those of an event, and their lane in the chart with a row per name and a bar per stretch.
"use strict";

(function (avadclip) {
  const { clock, plain } = avadclip.words;
  const MAX_ROWS = 8; // as in report/sounds.py
  const MAX_NAMES = 5; // of an event, as in inference/named_sounds.py

  /** The most probable sounds, each name once. */
  function mostProbable(sounds, count) {
    const ranked = [...sounds].sort((a, b) => b.probability - a.probability || (a.name < b.name ? -1 : 1));
    const best = new Map();
    for (const sound of ranked) if (!best.has(sound.name)) best.set(sound.name, sound);
    return [...best.values()].slice(0, count);
  }

  /** Sounds of a stretch of time; their probabilities are those of their own stretches. */
  function soundsDuring(sounds, start, end) {
    return mostProbable((sounds ?? []).filter((sound) => sound.start < end && sound.end > start), MAX_NAMES);
  }

  function laneNames(sounds) {
    return mostProbable(sounds ?? [], MAX_ROWS).map(({ name }) => name);
  }

  /** Bars on the axis y3, whose rows are `names`; the fuller the colour, the more probable the sound. */
  function laneBars(sounds, names, colour) {
    const shown = (sounds ?? []).filter(({ name }) => names.includes(name));
    return {
      type: "bar",
      orientation: "h",
      base: shown.map(({ start }) => start),
      x: shown.map(({ start, end }) => end - start),
      y: shown.map(({ name }) => names.indexOf(name)),
      yaxis: "y3",
      width: 0.6,
      // The line keeps a bar in sight that is less than a pixel wide.
      marker: { color: colour.sound, opacity: shown.map(({ probability }) => 0.35 + 0.65 * probability),
        line: { color: colour.sound, width: 1 } },
      customdata: shown.map(({ name, probability, start, end }) =>
        `${plain(name)} ${probability.toFixed(2)} at ${clock(start, 1)} – ${clock(end, 1)}`),
      hovertemplate: "%{customdata}<extra></extra>",
    };
  }

  avadclip.sounds = { soundsDuring, laneNames, laneBars };
})((globalThis.avadclip ??= {}));
