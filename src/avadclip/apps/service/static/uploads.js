// Uploads to the service: a few at a time, each with a progress bar.

import { requestToken, authorization, detailOf } from "./api.js";
import { byId, make } from "./dom.js";

const AT_ONCE = 3;

const waiting = [];
let running = 0;

/** A file that is too large is not uploaded at all: a browser would send all of it before it reads the refusal. */
export function addFiles(files, maxBytes) {
  for (const file of files) {
    const row = createRow(file.name);
    byId("uploads").append(row.element);
    if (file.size > maxBytes) row.fail("Larger than the upload limit; cut it into parts.");
    else waiting.push({ file, row });
  }
  startNext();
}

function startNext() {
  while (running < AT_ONCE && waiting.length > 0) {
    const { file, row } = waiting.shift();
    running += 1;
    upload(file, row).finally(() => {
      running -= 1;
      startNext();
    });
  }
}

async function upload(file, row) {
  const { status, text } = await send(file, row);
  if (status === 401) {
    await requestToken();
    return upload(file, row);
  }
  if (status === 202) row.element.remove(); // from here on it is a job
  else row.fail(status === 0 ? "The connection was lost." : detailOf(text, status));
}

/** XMLHttpRequest, since fetch does not report upload progress. */
function send(file, row) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", `api/uploads?name=${encodeURIComponent(file.name)}`);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", ({ loaded, total }) => row.show(loaded / total));
    request.addEventListener("loadend", () => resolve({ status: request.status, text: request.responseText }));
    row.onCancel(() => request.abort());
    request.send(file);
  });
}

function createRow(name) {
  const bar = make("progress", { max: 1, value: 0, ariaLabel: `Upload of ${name}` });
  const stop = make("button", { type: "button", className: "quiet", textContent: "Cancel" });
  const element = make("li", { className: "upload" }, make("span", { textContent: name }), bar, stop);
  const close = () => element.remove();
  return {
    element,
    show: (share) => { bar.value = share; },
    onCancel: (cancel) => { stop.onclick = () => { cancel(); close(); }; },
    fail(why) {
      bar.remove();
      stop.textContent = "Dismiss";
      stop.onclick = close;
      element.append(make("p", { className: "problem", textContent: why }));
    },
  };
}
