// Searching the events of all videos; each leads to its moment in the video.

import { request } from "./api.js";
import { byId, make } from "./dom.js";

const PAGE = 50;
const SETTLE_MS = 150; // a slider that moves asks once
const { clock, counted } = globalThis.avadclip.words;

export function createEventSearch({ onProblem }) {
  const form = byId("search");
  let shown = 0;
  let asked = 0; // an answer that a later one has overtaken is not shown
  let timer = null;

  async function load({ more = false } = {}) {
    const mine = (asked += 1);
    const query = new URLSearchParams({ limit: PAGE, offset: more ? shown : 0 });
    for (const [name, value] of new FormData(form)) {
      if (value !== "") query.set(name, name === "since" ? new Date(`${value}T00:00`).getTime() / 1000 : value);
    }
    try {
      const page = await request("GET", `/api/events?${query}`);
      if (mine !== asked) return;
      const rows = page.items.map(draw);
      if (more) byId("events").append(...rows);
      else byId("events").replaceChildren(...rows);
      shown = byId("events").childElementCount;
      byId("events-count").textContent = page.total === 0 ? "none found" : counted(page.total, "event");
      byId("events-more").hidden = shown >= page.total;
    } catch (problem) {
      onProblem(problem.message);
    }
  }

  /** Classes that events have, the chosen one kept. */
  async function loadLabels() {
    const select = form.elements.label;
    const chosen = select.value;
    const labels = await request("GET", "/api/labels");
    select.replaceChildren(make("option", { value: "", textContent: "any" }), ...labels.map((label) => make("option", { value: label, textContent: label })));
    select.value = labels.includes(chosen) ? chosen : "";
  }

  async function reload() {
    await loadLabels();
    await load();
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    form.querySelector("output").textContent = Number(form.elements.min_score.value).toFixed(2);
    clearTimeout(timer);
    timer = setTimeout(load, SETTLE_MS);
  });
  byId("events-more").addEventListener("click", () => load({ more: true }));
  return { reload };
}

function draw(event) {
  const link = make("a", { href: `/?job=${event.job_id}#t=${event.start.toFixed(1)}`, textContent: event.source });
  const number = (text) => make("td", { className: "number", textContent: text });
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, link),
    make("td", { textContent: event.label }),
    make("td", {}, event.severity === "alert" ? make("span", { className: "badge", textContent: "alert" }) : ""),
    number(clock(event.start, 1)),
    number(clock(event.end, 1)),
    number(event.score.toFixed(2)),
  );
}
