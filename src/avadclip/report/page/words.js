// Numbers and names as people read them.
"use strict";

(function (avadclip) {
  /** 4:05 or 1:02:05; with one decimal 4:05.3. Rounded first, so that 59.96 s is 1:00.0 and never 0:60.0. */
  function clock(seconds, decimals = 0) {
    const unit = 10 ** decimals;
    const units = Math.round(seconds * unit);
    const whole = Math.floor(units / unit);
    const two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor(whole / 60) % 60;
    const text = hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
    return decimals ? `${text}.${String(units % unit).padStart(decimals, "0")}` : text;
  }

  function counted(number, noun) {
    return `${number || "no"} ${noun}${number === 1 ? "" : "s"}`;
  }

  // As NETWORK_WORDS in avadclip/report/words.py.
  const NETWORK_WORDS = {
    teacher: "picture and sound",
    "visual student": "picture only",
    "audio student": "sound only",
    "both students": "picture or sound",
  };

  function networkWords(name) {
    return NETWORK_WORDS[name] ?? name;
  }

  avadclip.words = { clock, counted, networkWords };
})((globalThis.avadclip ??= {}));
