// How far a running job is, and the page that waits for its result.

import { followJobs, request } from "./api.js";
import { byId, make, showProblem } from "./dom.js";

const LEAST_SECONDS = 2; // of observation, before a time left is told
const LEAST_SHARE = 0.01;
const { clock } = globalThis.avadclip.words;
const begun = new Map(); // job and attempt -> where it was when this page saw it first

export function progressBar(job) {
  return make("progress", { max: 1, value: job.progress ?? 0, ariaLabel: `Scoring ${job.name}` });
}

/** `42 %, 1:05 left`, by the pace since this page saw the job first. */
export function progressWords({ id, attempts, progress }) {
  const share = progress ?? 0;
  const now = performance.now() / 1000;
  const key = `${id} ${attempts}`;
  if (!begun.has(key)) begun.set(key, { now, share });
  const first = begun.get(key);
  const percent = `${Math.floor(100 * share)} %`;
  const [seconds, gained] = [now - first.now, share - first.share];
  if (seconds < LEAST_SECONDS || gained < LEAST_SHARE) return percent;
  return `${percent}, ${clock(((1 - share) * seconds) / gained)} left`;
}

/** Show the job until it is done; resolves true then, and false if it failed or was deleted. */
export async function waitForResult(jobId) {
  byId("waiting").hidden = false;
  document.querySelector("main").classList.add("waits");
  return new Promise((resolve) => {
    const show = (job) => {
      if (job.id !== jobId) return;
      byId("waiting-name").textContent = job.name;
      byId("waiting-bar").replaceChildren(progressBar(job));
      byId("waiting-words").textContent = job.state === "running" ? progressWords(job) : job.state;
      if (job.state === "done") resolve(true);
      if (job.state === "failed" || job.state === "deleting") {
        showProblem(job.error ?? "The video was deleted.");
        resolve(false);
      }
    };
    const look = () => request("GET", `api/jobs/${encodeURIComponent(jobId)}`).then(show, ({ message }) => {
      showProblem(message);
      resolve(false);
    });
    followJobs({ onOpen: look, onJob: show, onDisconnect: () => { byId("waiting-words").textContent = "disconnected"; } });
  });
}
