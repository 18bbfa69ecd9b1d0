// The events of a day on a bar of 24 hours, one bar a camera.

import { request } from "../api.js";
import { byId, make, makeSvg } from "../dom.js";
import { timeOfDay } from "./words.js";

const MOST = 1000; // events; the largest page of the API
const HOUR_SECONDS = 3600;
const TICK_HOURS = 6;
const SHORTEST_SHARE = 0.004; // of the bar, for an event to be seen and met by a finger
const { counted } = globalThis.avadclip.words;

/** names(): the cameras to show; onChoose(event). */
export function createTimeline({ names, onChoose }) {
  const day = byId("day");
  let drawn = "";

  function bounds() {
    const begin = new Date(`${day.value || today()}T00:00`);
    const end = new Date(begin.getFullYear(), begin.getMonth(), begin.getDate() + 1); // 23 or 25 hours twice a year
    return [begin.getTime() / 1000, end.getTime() / 1000];
  }

  async function reload() {
    const [begin, end] = bounds();
    const query = new URLSearchParams({ since: begin, until: end, limit: MOST });
    if (names().length === 1) query.set("camera", names()[0]);
    const page = await request("GET", `api/live-events?${query}`);
    const minute = Math.floor(Date.now() / 60_000);
    const state = JSON.stringify([begin, names(), page, minute]);
    if (state === drawn) return;
    drawn = state;
    const shown = page.total > MOST ? `, the last ${MOST} shown` : "";
    byId("day-count").textContent = counted(page.total, "event") + shown;
    draw(page.items, begin, end);
  }

  function draw(events, begin, end) {
    const rows = names().map((name) =>
      make("div", { className: "timeline-row" }, make("span", { textContent: name, title: name }), bar(events.filter(({ source }) => source === name), begin, end)),
    );
    byId("timeline").classList.toggle("single", rows.length === 1);
    byId("timeline").replaceChildren(...rows, make("div", { className: "timeline-row" }, ticks(begin, end)));
  }

  function bar(events, begin, end) {
    const strip = makeSvg("svg", { class: "strip", viewBox: `0 0 ${end - begin} 20`, preserveAspectRatio: "none" });
    strip.append(makeSvg("rect", { class: "strip-back", width: end - begin, height: 20 }));
    for (let at = HOUR_SECONDS; at < end - begin; at += HOUR_SECONDS) {
      strip.append(makeSvg("line", { class: "strip-hour", x1: at, x2: at, y1: 0, y2: 20 }));
    }
    const now = Date.now() / 1000;
    for (const event of events) {
      const until = event.end ?? (event.is_open ? Math.max(now, event.start) : event.start);
      const width = Math.max(until - event.start, SHORTEST_SHARE * (end - begin));
      const mark = event.kind === "sound" ? "sound" : event.severity;
      const title = makeSvg("title");
      title.textContent = `${event.label} ${event.score.toFixed(2)}, ${timeOfDay(event.start)}`;
      const link = makeSvg("a", { href: "#", "aria-label": title.textContent });
      link.append(makeSvg("rect", { class: `strip-${mark}`, x: event.start - begin, width, height: 20 }, title));
      link.addEventListener("click", (click) => {
        click.preventDefault();
        onChoose(event);
      });
      strip.append(link);
    }
    if (begin <= now && now < end) {
      strip.append(makeSvg("line", { class: "strip-now", x1: now - begin, x2: now - begin, y1: 0, y2: 20 }));
    }
    return strip;
  }

  function move(days) {
    const [begin] = bounds();
    const date = new Date(begin * 1000);
    day.value = isoDay(new Date(date.getFullYear(), date.getMonth(), date.getDate() + days));
    day.dispatchEvent(new Event("input"));
  }

  day.value = today();
  byId("day-before").addEventListener("click", () => move(-1));
  byId("day-after").addEventListener("click", () => move(1));
  return { reload, onDay: (listener) => day.addEventListener("input", listener) };
}

function ticks(begin, end) {
  const frame = make("div", { className: "timeline-ticks" });
  for (let at = begin; at <= end; at += TICK_HOURS * HOUR_SECONDS) {
    const tick = make("span", { className: "tick", textContent: at === end ? "24:00" : timeOfDay(at) });
    tick.style.left = `${(100 * (at - begin)) / (end - begin)}%`;
    frame.append(tick);
  }
  return frame;
}

function isoDay(date) {
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

const today = () => isoDay(new Date());
