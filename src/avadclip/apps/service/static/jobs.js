// The list of videos: queued, running, and done with their results.

import { request } from "./api.js";
import { byId, make, showProblem } from "./dom.js";
import { progressBar, progressWords } from "./job_progress.js";

const PAGE = 50;
const { clock, counted } = globalThis.avadclip.words;

/** onChange() is called when jobs ended or were deleted. */
export function createJobList({ onChange }) {
  const jobs = new Map(); // id -> { job, element }
  let total = 0;

  async function load(limit = Math.max(PAGE, jobs.size)) {
    const page = await request("GET", `api/jobs?limit=${Math.min(limit, 1000)}`);
    jobs.clear();
    byId("jobs").replaceChildren();
    for (const job of page.items) {
      const entry = { job, element: draw(job) };
      jobs.set(job.id, entry);
      byId("jobs").append(entry.element);
    }
    total = page.total;
    count();
  }

  function update(job) {
    const known = jobs.get(job.id);
    if (job.state === "deleting") {
      if (known) forget(job.id);
      return;
    }
    const isNew = job.state === "done" && known?.job.state !== "done";
    const element = draw({ picture: known?.job.picture, ...job });
    if (known) {
      known.element.replaceWith(element);
    } else {
      byId("jobs").prepend(element);
      total += 1;
    }
    jobs.set(job.id, { job: { picture: known?.job.picture, ...job }, element });
    count();
    if (!isNew) return;
    onChange();
    load().catch(({ message }) => showProblem(message)); // its picture is in the list alone
  }

  function forget(id) {
    jobs.get(id).element.remove();
    jobs.delete(id);
    total -= 1;
    count();
    onChange();
  }

  function count() {
    byId("jobs-count").textContent = total === 0 ? "" : counted(total, "video");
    byId("jobs-empty").hidden = total > 0;
    byId("jobs-more").hidden = jobs.size >= total;
  }

  function draw(job) {
    const isDone = job.state === "done";
    const name = job.state === "failed"
      ? make("span", { className: "job-name", textContent: job.name })
      : make("a", { className: "job-name", href: `?job=${job.id}`, textContent: job.name });
    const remove = make("button", { type: "button", className: "quiet", textContent: "Delete" });
    remove.setAttribute("aria-label", `Delete ${job.name}`);
    remove.addEventListener("click", () => deleteJob(job));
    const element = make(
      "li",
      { className: "job" },
      job.picture ? make("img", { className: "job-picture", src: job.picture, alt: "", loading: "lazy" }) : make("span", { className: "job-picture" }),
      make("span", {}, name, make("span", { className: "faint", textContent: ` ${whenMade(job)}` })),
      result(job),
      make("span", { className: "job-length faint", textContent: isDone ? clock(job.duration_seconds) : "" }),
      remove,
      job.error ? make("p", { className: "problem", textContent: job.error }) : null,
    );
    element.dataset.state = job.state;
    return element;
  }

  async function deleteJob(job) {
    if (!confirm(`Delete ${job.name}, its video on the service and its results?`)) return;
    try {
      await request("DELETE", `api/jobs/${job.id}`);
      if (jobs.has(job.id)) forget(job.id);
    } catch (problem) {
      showProblem(problem.message);
    }
  }

  byId("jobs-more").addEventListener("click", () => load(jobs.size + PAGE));
  return { load, update };
}

function result(job) {
  const line = make("span", { className: "job-result" });
  if (job.state === "queued") line.append("queued");
  if (job.state === "running") line.append(progressBar(job), make("span", { className: "faint job-left", textContent: progressWords(job) }));
  if (job.state === "failed") line.append(make("span", { className: "job-error", textContent: "failed" }));
  if (job.state === "done") {
    line.append(
      job.num_events > 0 ? make("span", { className: "badge", textContent: counted(job.num_events, "event") }) : "no events",
      make("span", { className: "faint", textContent: `peak ${job.peak_score.toFixed(2)}` }),
    );
  }
  return line;
}

function whenMade(job) {
  const made = new Date(job.created_at * 1000);
  const isToday = made.toDateString() === new Date().toDateString();
  return made.toLocaleString([], isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}
