// The viewer's verdicts on the events of a page from disk, and their export as a label CSV for `avadclip train`.
"use strict";

(function (avadclip) {
  const { REAL } = avadclip.verdicts;

  /** Verdicts by the `key` of an event, which does not change with the threshold. */
  function createMarks(result) {
    const place = `avadclip-marks:${result.source}:${result.model}`;
    const verdicts = load();

    function load() {
      try {
        return JSON.parse(localStorage.getItem(place)) ?? {};
      } catch {
        return {}; // storage is disabled or its content is invalid
      }
    }

    const get = ({ key }) => (key in verdicts ? { verdict: verdicts[key], correctLabel: null } : null);

    function set({ key }, verdict) {
      if (verdict === null) delete verdicts[key];
      else verdicts[key] = verdict;
      try {
        localStorage.setItem(place, JSON.stringify(verdicts));
      } catch {
        // the marks are kept until the page is closed
      }
    }

    return { get, set, classes: null };
  }

  /**
   * Label rows of the video from the verdicts, or the reason why there are none yet.
   *
   * A label is for the whole video. One real event makes it anomalous; it is normal only if every listed event is a
   * false alarm. Times are given only if every event has a verdict, since only then they are complete.
   */
  function labelRows(result, events, marks) {
    const verdicts = events.map((event) => marks.get(event)?.verdict ?? null);
    const open = verdicts.filter((verdict) => verdict === null).length;
    const real = events.filter((_, index) => verdicts[index] === REAL);
    if (real.length > 0) {
      const labels = [...new Set(real.map((event) => event.label))].join("|");
      return {
        rows: open > 0
          ? [[result.source, labels, "", ""]]
          : real.map((event) => [result.source, event.label, event.start.toFixed(3), event.end.toFixed(3)]),
        why: open > 0 ? `${avadclip.words.counted(open, "event")} unmarked: the label is saved without times` : "",
      };
    }
    if (events.length > 0 && open === 0) return { rows: [[result.source, "normal", "", ""]], why: "" };
    if (events.length === 0) return { rows: [], why: "No events at this threshold." };
    return { rows: [], why: `${open} of ${events.length} events are unmarked.` };
  }

  /** RFC 4180, with the columns of data/label_csv.py. */
  function toCsv(rows) {
    const cell = (text) => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    return [["video", "label", "start", "end"], ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
  }

  /** Download as NAME-labels.csv, NAME being the video's without its suffix. */
  function saveLabels(result, rows) {
    const name = result.source.split(/[\\/]/).at(-1).replace(/\.[^.]*$/, "");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([toCsv(rows)], { type: "text/csv" }));
    link.download = `${name}-labels.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  avadclip.marks = { createMarks, labelRows, saveLabels };
})((globalThis.avadclip ??= {}));
