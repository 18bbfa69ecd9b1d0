// Events from scores, by the rules of avadclip/events.py (hysteresis, gap filling, shortest event).
"use strict";

(function (avadclip) {
  /** Start of every snippet and the end of the last one in seconds. */
  function boundaries(scores) {
    const count = scores.anomaly.length;
    const starts = Array.from({ length: count + 1 }, (_, index) => index * scores.snippet_seconds);
    starts[count] = Math.max(scores.end_seconds, starts[count - 1]);
    return starts;
  }

  /** Half-open ranges of snippets. Python compares in single precision, hence Math.fround. */
  function findSpans(scores, rules) {
    const edges = boundaries(scores);
    const anomaly = scores.anomaly;
    const enter = Math.fround(rules.threshold);
    const stay = Math.fround(rules.threshold * rules.release_share);
    const merged = [];
    let start = null;
    let reached = false;
    for (let index = 0; index <= anomaly.length; index += 1) {
      const score = index < anomaly.length ? Math.fround(anomaly[index]) : -Infinity;
      if (score >= stay) {
        start ??= index;
        reached ||= score >= enter;
        continue;
      }
      if (start !== null && reached) {
        const last = merged.at(-1);
        if (last && edges[start] - edges[last[1]] < rules.merge_gap_seconds) {
          last[1] = index;
        } else {
          merged.push([start, index]);
        }
      }
      start = null;
      reached = false;
    }
    return merged.filter(([first, stop]) => edges[stop] - edges[first] >= rules.min_seconds);
  }

  /** The class with the highest mean probability over the span, without class 0 (normal). */
  function bestClass(result, [start, stop]) {
    const sums = result.classes.map(() => 0);
    for (const row of result.scores.class_probabilities.slice(start, stop)) {
      row.forEach((probability, index) => { sums[index] += probability; });
    }
    let best = 1;
    for (let index = 2; index < sums.length; index += 1) {
      if (sums[index] > sums[best]) best = index;
    }
    return result.classes[best];
  }

  function peakSnippet(anomaly, [start, stop]) {
    let peak = start;
    for (let index = start + 1; index < stop; index += 1) {
      if (anomaly[index] > anomaly[peak]) peak = index;
    }
    return peak;
  }

  /** Mean difference over the span to the score of a network without one modality; null if there is none. */
  function meanGain(anomaly, without, [start, stop]) {
    if (without === null) return null;
    let sum = 0;
    for (let index = start; index < stop; index += 1) sum += anomaly[index] - without[index];
    return sum / (stop - start);
  }

  /**
   * The model's events at a threshold, in the form of the document's own; `peak` is the snippet of the highest score,
   * `key` does not change with the threshold.
   */
  function cutEvents(result, threshold) {
    const { scores, rules, thresholds } = result;
    const edges = boundaries(scores);
    return findSpans(scores, { ...rules, threshold }).map((span) => {
      const peak = peakSnippet(scores.anomaly, span);
      const score = scores.anomaly[peak];
      const isAlert = thresholds.alert !== null && Math.fround(score) >= thresholds.alert;
      return {
        label: bestClass(result, span),
        score,
        start: edges[span[0]],
        end: edges[span[1]],
        severity: isAlert ? "alert" : "detection",
        sound_gain: meanGain(scores.anomaly, scores.visual_student, span),
        picture_gain: meanGain(scores.anomaly, scores.audio_student, span),
        kind: "model",
        sounds: avadclip.sounds.during(result.sounds ?? [], edges[span[0]], edges[span[1]]),
        peak,
        key: peak,
      };
    });
  }

  /** The events of the document itself, as they were found when the video was scored; older ones lack sounds. */
  function foundEvents(result) {
    const { scores } = result;
    const edges = boundaries(scores);
    const snippetAt = (time) => edges.findIndex((edge) => edge >= time - scores.snippet_seconds / 2);
    return result.events.map((event) => {
      const span = [snippetAt(event.start), Math.max(snippetAt(event.end), snippetAt(event.start) + 1)];
      const peak = peakSnippet(scores.anomaly, span);
      const key = event.kind === "sound" ? `${event.label} ${event.start}` : peak;
      return { kind: "model", sounds: [], ...event, peak, key };
    });
  }

  avadclip.events = { boundaries, findSpans, cutEvents, foundEvents };
})((globalThis.avadclip ??= {}));
