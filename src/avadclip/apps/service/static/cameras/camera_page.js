// One camera: last picture, state, score curve and named sounds.

import { request } from "../api.js";
import { byId, make } from "../dom.js";
import { forgetFailed, showPicture } from "./camera_list.js";
import { drawCurve } from "./score_curve.js";
import { ago, showState } from "./words.js";

const { networkWords } = globalThis.avadclip.words;
const { shortName } = globalThis.avadclip.sounds;

forgetFailed(byId("camera-picture"));

export async function showCamera(camera) {
  byId("camera").hidden = false;
  showPicture(byId("camera-picture"), camera);
  byId("camera-no-picture").hidden = camera.picture_at !== null;
  showState(byId("camera-state"), camera.state);
  byId("camera-reason").textContent = camera.reason;
  byId("camera-picture-at").textContent = camera.picture_at === null ? "none" : ago(camera.picture_at);
  byId("camera-network").textContent = camera.network === null ? "nothing" : networkWords(camera.network);
  byId("camera-dropped").textContent = `${camera.dropped_seconds.toFixed(1)} s of video since the watch began`;
  byId("camera-sounds").replaceChildren(...sounds(camera));
  const points = await request("GET", `api/camera-scores?camera=${encodeURIComponent(camera.name)}`);
  byId("curve-words").textContent = drawCurve(byId("curve"), points);
}

function sounds(camera) {
  if (camera.sounds.length === 0) return [make("li", { className: "faint", textContent: "none in the last minutes" })];
  return camera.sounds.map(({ name, probability, end }) =>
    make(
      "li",
      { title: name },
      make("span", { textContent: `${shortName(name)} ${probability.toFixed(2)}` }),
      make("span", { className: "faint", textContent: ago(end) }),
    ),
  );
}
