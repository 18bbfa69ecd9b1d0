// The score curve of a camera's last hour.

import { make, makeSvg } from "../dom.js";
import { timeOfDay } from "./words.js";

const SPAN_SECONDS = 3600;
const TICKS = 4; // intervals of the axis
const POINT_SECONDS = 5; // as the watch writes them
const GAP_SECONDS = 4 * POINT_SECONDS; // without a point: nothing was scored

/** points: [{ start, score }], in order; returns what the curve says in words. */
export function drawCurve(frame, points) {
  if (points.length === 0) {
    frame.replaceChildren(make("p", { className: "faint", textContent: "No scores in the last hour." }));
    return "";
  }
  const end = Math.max(Date.now() / 1000, points.at(-1).start + POINT_SECONDS);
  const shown = points.filter(({ start }) => start >= end - SPAN_SECONDS);
  const x = (seconds) => (1000 * (seconds - end + SPAN_SECONDS)) / SPAN_SECONDS;
  const chart = makeSvg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img", "aria-label": "Scores from 0 to 1" });
  for (const run of runs(shown)) {
    const line = run.map(({ start, score }) => `${x(start).toFixed(1)} ${(100 - 100 * score).toFixed(1)}`);
    const last = x(run.at(-1).start + POINT_SECONDS).toFixed(1);
    line.push(`${last} ${line.at(-1).split(" ")[1]}`);
    chart.append(
      makeSvg("path", { class: "under", d: `M${x(run[0].start).toFixed(1)} 100L${line.join("L")}L${last} 100Z` }),
      makeSvg("path", { d: `M${line.join("L")}` }),
    );
  }
  const ticks = Array.from({ length: TICKS + 1 }, (_, index) => {
    const tick = make("span", { className: "tick", textContent: timeOfDay(end - SPAN_SECONDS + (index * SPAN_SECONDS) / TICKS) });
    tick.style.left = `${(100 * index) / TICKS}%`;
    return tick;
  });
  frame.replaceChildren(chart, ...ticks);
  return shown.length === 0 ? "none in the last hour" : words(shown);
}

function words(points) {
  const highest = points.reduce((best, point) => (point.score > best.score ? point : best));
  return `last ${points.at(-1).score.toFixed(2)}, highest ${highest.score.toFixed(2)} at ${timeOfDay(highest.start)}`;
}

/** Stretches without a gap. */
function runs(points) {
  const found = [];
  for (const point of points) {
    if (found.length === 0 || point.start - found.at(-1).at(-1).start > GAP_SECONDS) found.push([]);
    found.at(-1).push(point);
  }
  return found;
}
