// Search in a list of the API by the fields of a form, with paging.

import { request } from "./api.js";
import { byId, make, showProblem } from "./dom.js";

const PAGE = 50;
const MOST = 1000; // largest page of the API
const SETTLE_MS = 150; // a moving slider sends one request
const TIMES = new Set(["since", "until"]);
const { counted } = globalThis.avadclip.words;

/** A date, or a date and a time of day, of this browser's time zone. */
function unixSeconds(text) {
  return new Date(text.includes("T") ? text : `${text}T00:00`).getTime() / 1000;
}

/**
 * name: name of the list in the API and of its elements here; draw(item): makes a row;
 * choices: select of the form -> API path of its values.
 */
export function createSearch({ name, draw, choices }) {
  const form = byId(`${name}-search`);
  let shown = 0;
  let latest = 0; // a response overtaken by a later request is dropped
  let timer = null;
  let drawn = ""; // the first page as it is shown: drawing it again would make its pictures flicker

  async function load({ limit = PAGE, offset = 0 } = {}) {
    const mine = (latest += 1);
    const query = new URLSearchParams({ limit, offset });
    for (const [field, value] of new FormData(form)) {
      if (value !== "") query.set(field, TIMES.has(field) ? unixSeconds(value) : value);
    }
    try {
      const page = await request("GET", `api/${name}?${query}`);
      if (mine !== latest) return;
      const answer = JSON.stringify(page);
      if (offset > 0) byId(name).append(...page.items.map(draw));
      else if (answer !== drawn) byId(name).replaceChildren(...page.items.map(draw));
      drawn = offset > 0 ? "" : answer;
      shown = byId(name).childElementCount;
      byId(`${name}-count`).textContent = page.total === 0 ? "none found" : counted(page.total, "event");
      byId(`${name}-more`).hidden = shown >= page.total;
    } catch (problem) {
      showProblem(problem.message);
    }
  }

  /** Load the options of a select and keep the chosen one. */
  async function loadChoices(field, path) {
    const select = form.elements[field];
    const chosen = select.value;
    const values = await request("GET", path);
    const offered = [...select.options].slice(1).map((option) => option.value);
    if (values.join("\n") === offered.join("\n")) return; // it may be open
    select.replaceChildren(select.options[0], ...values.map((value) => make("option", { value, textContent: value })));
    select.value = values.includes(chosen) ? chosen : "";
  }

  /** Load again as many rows as are shown, unless somebody is at work in them. */
  async function reload() {
    if (byId(name).contains(document.activeElement)) return;
    await Promise.all(Object.entries(choices).map(([field, path]) => loadChoices(field, path)));
    await load({ limit: Math.min(Math.max(PAGE, shown), MOST) });
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    form.querySelector("output").textContent = Number(form.elements.min_score.value).toFixed(2);
    clearTimeout(timer);
    timer = setTimeout(load, SETTLE_MS);
  });
  byId(`${name}-more`).addEventListener("click", () => load({ offset: shown }));
  return { reload };
}
