// Pages of cameras: the list, and with `?camera=NAME` one camera. Another program writes them, so this page polls.

import { request } from "../api.js";
import { byId, showProblem, showStatus } from "../dom.js";
import { createSearch } from "../search.js";
import { showList } from "./camera_list.js";
import { showCamera } from "./camera_page.js";
import { createTimeline } from "./day_timeline.js";
import { drawEvent, showEvent } from "./event_list.js";
import { refreshLink } from "./media_link.js";

const POLL_MS = 5000;
const wanted = new URLSearchParams(location.search).get("camera");
let cameras = [];

const names = () => (wanted === null ? cameras.map(({ name }) => name) : [wanted]);
const timeline = createTimeline({ names, onChoose: showEvent });
const search = createSearch({
  name: "live-events",
  draw: drawEvent,
  choices: { camera: "api/cameras", label: "api/labels" },
});

async function showCameras() {
  cameras = await request("GET", "api/camera-status");
  if (wanted === null) {
    showList(cameras);
    return;
  }
  const camera = cameras.find(({ name }) => name === wanted);
  if (camera === undefined) throw new Error(`There is no camera ${wanted}.`);
  await showCamera(camera);
}

async function showNews() {
  try {
    await refreshLink();
    await showCameras();
    await Promise.all([timeline.reload(), search.reload()]);
    showStatus("ready", "connected");
    showProblem("");
  } catch (problem) {
    showStatus("offline", "disconnected");
    showProblem(problem.message);
  }
}

/** Show one camera alone: its name as the title, and its events. */
function narrow() {
  byId("title").textContent = wanted;
  document.title = `${wanted} · avadclip`;
  byId("back").href = "cameras";
  byId("back").textContent = "All cameras";
  byId("choose-camera").hidden = true;
  const { camera } = byId("live-events-search").elements;
  camera.append(new Option(wanted, wanted, true, true));
}

async function follow() {
  for (;;) {
    if (!document.hidden) await showNews();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

if (wanted !== null) narrow();
timeline.onDay(() => timeline.reload().catch((problem) => showProblem(problem.message)));
follow();
