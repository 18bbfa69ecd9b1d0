// Events of cameras, stored by `avadclip watch`; the section is hidden until there are any.

import { request } from "./api.js";
import { byId, eventBadge, make, soundsCell } from "./dom.js";
import { createSearch } from "./search.js";
import { verdictButtons } from "./verdicts.js";

const POLL_MS = 5000; // another program writes them, so this page polls
const { clock } = globalThis.avadclip.words;

export function createLiveEvents({ onProblem }) {
  const choices = { camera: "api/cameras", label: "api/labels" };
  const draw = (event) => drawEvent(event, onProblem);
  const search = createSearch({ name: "live-events", draw, choices, onProblem });

  async function follow() {
    for (;;) {
      if (!document.hidden) await showNews();
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async function showNews() {
    try {
      const cameras = await request("GET", "api/cameras");
      byId("live-events-section").hidden = cameras.length === 0;
      if (cameras.length > 0) await search.reload();
    } catch {
      // the connection status is shown elsewhere on the page
    }
  }

  return { follow };
}

function drawEvent(event, onProblem) {
  const began = new Date(event.start * 1000);
  const number = (text) => make("td", { className: "number", textContent: text });
  return make(
    "tr",
    { title: event.note ?? "" },
    make("th", { scope: "row", textContent: event.source }),
    make("td", { textContent: event.label }),
    make("td", {}, eventBadge(event)),
    soundsCell(event),
    number(began.toLocaleString([], { dateStyle: "medium", timeStyle: "medium" })),
    number(duration(event)),
    number(event.score.toFixed(2)),
    make("td", {}, verdictButtons(event, "live-events", onProblem)),
  );
}

function duration({ start, end, is_open: isOpen }) {
  if (isOpen) return "ongoing";
  return end === null ? "unknown" : clock(end - start, 1);
}
