// Verdicts kept by the service that serves the page, and the form that marks missed events.
"use strict";

(function (avadclip) {
  const TOKEN = "avadclip-token"; // as the service's page keeps it, in the same tab
  const { clock } = avadclip.words;
  const byId = (id) => document.getElementById(id);

  function describe(status, text) {
    if (status === 401) return "Verdicts need a token: open this result from the service's page.";
    try {
      return JSON.parse(text).detail;
    } catch {
      return `The service failed with status ${status}.`;
    }
  }

  /** api: URL of the service's API; job: the page's job; onChange(): verdicts are others now. */
  function createServiceMarks(result, { api, job }, { onChange }) {
    const classes = result.classes.slice(1);
    let given = {}; // by id of the event
    let missed = [];

    async function request(method, path, body) {
      const token = sessionStorage.getItem(TOKEN);
      const headers = { ...(token ? { Authorization: `Bearer ${token}` } : {}), "Content-Type": "application/json" };
      try {
        const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body) });
        byId("verdicts-why").textContent = answer.ok ? "" : describe(answer.status, await answer.text());
        return answer.ok && answer.status !== 204 ? answer.json() : null;
      } catch {
        byId("verdicts-why").textContent = "The service is unreachable.";
        return null;
      }
    }

    async function load() {
      const page = await request("GET", `verdicts?job=${job}&limit=1000`);
      if (page === null) return;
      const onEvents = page.items.filter((item) => item.event_id !== null);
      given = Object.fromEntries(
        onEvents.map((item) => [item.event_id, { verdict: item.verdict, correctLabel: item.correct_label }]),
      );
      missed = page.items.filter((item) => item.verdict === "missed");
      showMissed();
      onChange();
    }

    const isSame = (item, event) => Math.abs(item.start - event.start) < 0.01 && Math.abs(item.end - event.end) < 0.01;

    /** Of an event that the service knows, its verdict; of one that a lower threshold finds, whether it was missed. */
    function get(event) {
      if (event.id) return given[event.id] ?? null;
      const item = missed.find((one) => isSame(one, event));
      if (!item) return null;
      return item.correct_label === event.label
        ? { verdict: avadclip.verdicts.REAL, correctLabel: null }
        : { verdict: avadclip.verdicts.WRONG_CLASS, correctLabel: item.correct_label };
    }

    async function set(event, verdict, correctLabel) {
      if (!event.id) await setMissed(event, verdict, correctLabel);
      else {
        const path = `events/${encodeURIComponent(event.id)}/verdict`;
        if (verdict === null) await request("DELETE", path);
        else await request("PUT", path, { verdict, correct_label: correctLabel });
      }
      await load();
    }

    async function setMissed(event, verdict, correctLabel) {
      const item = missed.find((one) => isSame(one, event));
      if (item) await request("DELETE", `verdicts/${item.id}`);
      // Not an event at the model's threshold, so that there is no false alarm to report.
      if (verdict !== null && verdict !== avadclip.verdicts.FALSE_ALARM) {
        await addMissed(event.start, event.end, correctLabel ?? event.label);
      }
    }

    const addMissed = (start, end, label) => request("POST", "verdicts", { job, start, end, label });

    function showMissed() {
      byId("missed-list").replaceChildren(
        ...missed.map((item) => {
          const line = document.createElement("li");
          const remove = document.createElement("button");
          Object.assign(remove, { type: "button", className: "verdict", textContent: "Remove" });
          remove.addEventListener("click", () => request("DELETE", `verdicts/${item.id}`).then(load));
          line.append(`${item.correct_label}, ${clock(item.start, 1)} – ${clock(item.end, 1)} `, remove);
          return line;
        }),
      );
    }

    /** Connect the form; `player` gives the times. */
    function connectMissed(player) {
      const [start, end] = [byId("missed-start"), byId("missed-end")];
      const [input, list] = avadclip.verdicts.createClassInput("Class of the missed event", classes);
      input.placeholder = "class";
      byId("missed-class").append(input, list);
      for (const field of [start, end]) {
        byId(`${field.id}-now`).addEventListener("click", () => { field.value = player.time().toFixed(1); });
      }
      byId("missed-form").addEventListener("keydown", (event) => event.stopPropagation()); // keys of the page
      byId("missed-add").addEventListener("click", async () => {
        if (![start, end, input].every((field) => field.reportValidity())) return;
        if ((await addMissed(Number(start.value), Number(end.value), input.value.trim())) === null) return;
        for (const field of [start, end]) field.value = "";
        await load();
      });
    }

    return { get, set, load, connectMissed, classes };
  }

  avadclip.serviceMarks = { createServiceMarks };
})((globalThis.avadclip ??= {}));
