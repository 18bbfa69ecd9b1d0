// The list of cameras: picture, state and last event of each.

import { byId, make } from "../dom.js";
import { forgetLink, pictureUrl } from "./media_link.js";
import { ago, showState } from "./words.js";

export function showList(cameras) {
  byId("cameras-section").hidden = false;
  byId("cameras-empty").hidden = cameras.length > 0;
  const known = new Map([...byId("cameras").children].map((item) => [item.dataset.name, item]));
  byId("cameras").replaceChildren(...cameras.map((camera) => update(known.get(camera.name) ?? create(camera), camera)));
}

/** Show the last picture in an image; the same picture is not loaded again. */
export function showPicture(image, camera) {
  image.hidden = camera.picture_at === null;
  image.alt = `Last picture of ${camera.name}`;
  const key = String(camera.picture_at);
  if (image.hidden || image.dataset.at === key) return;
  image.dataset.at = key;
  image.src = pictureUrl(camera);
}

export function forgetFailed(image) {
  image.addEventListener("error", () => {
    delete image.dataset.at;
    forgetLink();
  });
  return image;
}

function create({ name }) {
  const item = make(
    "li",
    {},
    make(
      "a",
      { className: "card camera-card", href: `?camera=${encodeURIComponent(name)}` },
      make("div", {}, forgetFailed(make("img", { hidden: true })), make("p", { className: "no-camera-picture", textContent: "no picture" })),
      make(
        "div",
        { className: "camera-words" },
        make("div", { className: "camera-line" }, make("span", { className: "camera-name", textContent: name }), make("span", { className: "status" })),
        make("p", { className: "faint" }),
      ),
    ),
  );
  item.dataset.name = name;
  return item;
}

function update(item, camera) {
  const image = item.querySelector("img");
  showPicture(image, camera);
  item.querySelector(".no-camera-picture").hidden = !image.hidden;
  showState(item.querySelector(".status"), camera.state);
  item.querySelector(".faint").textContent = lastEvent(camera);
  return item;
}

function lastEvent({ last_event: event }) {
  return event === null ? "no events" : `${event.label} ${event.score.toFixed(2)}, ${ago(event.start)}`;
}
