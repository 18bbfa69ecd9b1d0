// Verdicts on events: buttons in a list or beside a picture, kept by the service.

import { request } from "./api.js";
import { byId, showProblem } from "./dom.js";

/** list: `events` or `live-events`, as the API and the elements here name it. */
export function verdictButtons(event, list) {
  let given = event.verdict === null ? null : { verdict: event.verdict, correctLabel: event.correct_label };
  const path = `api/${list}/${encodeURIComponent(event.id)}/verdict`;
  const known = [...byId(`${list}-search`).elements.label.options].map((option) => option.value);

  async function give(verdict, correctLabel) {
    try {
      if (verdict === null) await request("DELETE", path);
      else await request("PUT", path, { verdict, correct_label: correctLabel });
      given = verdict === null ? null : { verdict, correctLabel };
      Object.assign(event, { verdict, correct_label: correctLabel });
      showProblem("");
    } catch (problem) {
      showProblem(problem.message);
    }
  }

  return globalThis.avadclip.verdicts.createVerdicts({
    name: `${event.label} of ${event.source}`,
    classes: known.filter((name) => name !== "" && name !== event.label),
    current: () => given,
    give,
  });
}
