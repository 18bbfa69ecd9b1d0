// Events of all videos; each links to its moment in the video.

import { eventBadge, make, soundsCell } from "./dom.js";
import { createSearch } from "./search.js";
import { verdictButtons } from "./verdicts.js";

const { clock } = globalThis.avadclip.words;

export function createEventSearch() {
  return createSearch({ name: "events", draw: drawEvent, choices: { label: "api/labels" } });
}

function drawEvent(event) {
  const link = make("a", { href: `?job=${event.job_id}#t=${event.start.toFixed(1)}`, textContent: event.source });
  const number = (text) => make("td", { className: "number", textContent: text });
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, link),
    make("td", { textContent: event.label }),
    make("td", {}, eventBadge(event)),
    soundsCell(event),
    number(clock(event.start, 1)),
    number(clock(event.end, 1)),
    number(event.score.toFixed(2)),
    make("td", {}, verdictButtons(event, "events")),
  );
}
