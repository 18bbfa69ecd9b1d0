// Events of cameras: rows of the list, and one event with its picture or recording.

import { byId, eventBadge, make } from "../dom.js";
import { verdictButtons } from "../verdicts.js";
import { eventUrl } from "./media_link.js";
import { duration, moment } from "./words.js";

const { shortName } = globalThis.avadclip.sounds;

export function drawEvent(event) {
  const picture = event.has_picture
    ? make("img", { src: eventUrl(event.id, "picture"), alt: "", loading: "lazy" })
    : make("span", { className: "no-picture", textContent: "no picture" });
  const button = make(
    "button",
    { type: "button" },
    picture,
    make(
      "span",
      { className: "event-facts" },
      make("span", {}, make("span", { className: "event-label", textContent: event.label }), eventBadge(event), verdictWord(event)),
      make("span", { className: "faint", textContent: `${event.source}, ${moment(event.start)}, ${duration(event)}` }),
      make("span", { className: "event-sounds", textContent: sounds(event), title: event.sounds.map(({ name }) => name).join("\n") }),
    ),
    make(
      "span",
      { className: "event-number" },
      event.score.toFixed(2),
      event.has_recording ? make("span", { className: "plays", textContent: "▶ play" }) : null,
    ),
  );
  button.addEventListener("click", () => showEvent(event));
  const item = make("li", { className: "camera-event" }, button);
  item.dataset.id = event.id;
  return item;
}

/** Show one event over the page: its recording, else its picture, and buttons for a verdict. */
export function showEvent(event) {
  byId("event-title").textContent = `${event.label} · ${event.source}`;
  byId("event-words").textContent = [moment(event.start), duration(event), `score ${event.score.toFixed(2)}`, sounds(event)]
    .filter(Boolean)
    .join(" · ");
  byId("event-note").textContent = event.note ?? "";
  byId("event-media").replaceChildren(...media(event));
  byId("event-verdict").replaceChildren(verdictButtons(event, "live-events"));
  byId("event").showModal();
}

function media(event) {
  if (!event.has_recording) {
    const why = make("p", { className: "faint", textContent: "The service has no recording of this event." });
    return event.has_picture ? [make("img", { src: eventUrl(event.id, "picture"), alt: event.label }), why] : [why];
  }
  const url = eventUrl(event.id, "recording");
  const video = make("video", { src: url, controls: true, autoplay: true, muted: true });
  video.addEventListener("error", () => {
    video.replaceWith(
      make("p", {}, "This browser cannot play the recording. ", make("a", { href: url, download: `${event.id}.mkv`, textContent: "Save it" })),
    );
  });
  return [video];
}

function verdictWord({ verdict, correct_label: right }) {
  if (verdict === null) return null;
  return make("span", { className: "faint event-verdict", textContent: right === null ? verdict : `${verdict}: ${right}` });
}

function sounds(event) {
  return event.sounds.map(({ name, probability }) => `${shortName(name)} ${probability.toFixed(2)}`).join(", ");
}

byId("event").addEventListener("close", () => byId("event-media").replaceChildren()); // and stop what plays
