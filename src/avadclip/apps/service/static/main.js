// The service's page: connects its parts. `/?job=ID#t=12.5` redirects to that moment of that result.

import { followJobs, request } from "./api.js";
import { byId, showProblem, showStatus } from "./dom.js";
import { createEventSearch } from "./events.js";
import { waitForResult } from "./job_progress.js";
import { createJobList } from "./jobs.js";
import { addFiles } from "./uploads.js";

const retention = (days) => (days === null ? "are kept" : `are deleted ${days} days after completion`);

async function goToResult(jobId) {
  const { href } = await request("POST", `api/jobs/${encodeURIComponent(jobId)}/link`);
  location.replace(href + location.hash);
}

function connectDrop({ max_upload_bytes: maxBytes }) {
  const drop = byId("drop");
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  for (const name of ["dragenter", "dragover"]) {
    addEventListener(name, (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) drop.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    drop.classList.remove("over");
    addFiles(event.dataTransfer.files, maxBytes);
  });
  byId("files").addEventListener("change", (event) => {
    addFiles(event.target.files, maxBytes);
    event.target.value = "";
  });
}

/** The form for a file on the server or a URL, if the service allows either. */
function connectPoint({ has_folders: hasFolders, fetch_hosts: hosts }) {
  const kinds = [hasFolders ? "a file on the server" : null, hosts.length ? `a URL at ${hosts.join(", ")}` : null];
  byId("point").hidden = !hasFolders && hosts.length === 0;
  byId("where-label").textContent = `or enter ${kinds.filter(Boolean).join(" or ")}`;
  byId("point").addEventListener("submit", async (event) => {
    event.preventDefault();
    const where = byId("where").value.trim();
    try {
      await request("POST", "api/jobs", /^https?:/i.test(where) ? { url: where } : { path: where });
      event.target.reset();
      showProblem("");
    } catch (problem) {
      showProblem(problem.message);
    }
  });
}

function showVersion(version) {
  const [unit, name] = version.max_upload_bytes < 1e9 ? [1e6, "MB"] : [1e9, "GB"];
  const size = (version.max_upload_bytes / unit).toLocaleString([], { maximumSignificantDigits: 3 });
  byId("limits").textContent = `up to ${size} ${name} each; videos and results ${retention(version.retention_days)}`;
  byId("demonstration").hidden = !version.is_demonstration;
  byId("demonstration-model").textContent = version.model;
  byId("about").textContent = `avadclip ${version.version}, model ${version.model}`;
}

async function start() {
  const wanted = new URLSearchParams(location.search).get("job");
  if (wanted !== null) {
    try {
      const { state } = await request("GET", `api/jobs/${encodeURIComponent(wanted)}`);
      showStatus("ready", "connected");
      const isDone = state === "done" || (await waitForResult(wanted));
      if (isDone) await goToResult(wanted);
      return;
    } catch (problem) {
      showProblem(problem.message);
    }
  }
  const version = await request("GET", "api/version");
  showVersion(version);
  connectPoint(version);
  connectDrop(version);
  const search = createEventSearch();
  const jobs = createJobList({ onChange: search.reload });
  followJobs({
    onOpen: () => {
      showStatus("ready", "connected");
      jobs.load().then(search.reload).catch((problem) => showProblem(problem.message));
    },
    onJob: jobs.update,
    onDisconnect: () => showStatus("offline", "disconnected"),
  });
}

start().catch((problem) => showProblem(problem.message));
