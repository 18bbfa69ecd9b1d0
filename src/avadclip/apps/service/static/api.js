// Speaking with the service: the token, problems as one line, and the stream of jobs.

const KEY = "avadclip-token";
const RETRY_MS = 3000;

let token = sessionStorage.getItem(KEY);

export class Problem extends Error {}

export function authorization() {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Ask for a token, once at a time; resolves when one was given. */
let asking = null;
export function askForToken() {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("login");
    document.getElementById("login-problem").hidden = token === null;
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => {
      token = document.getElementById("token").value.trim();
      sessionStorage.setItem(KEY, token);
      asking = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

/** One request; a Problem says in one line what the service refused. */
export async function request(method, path, body) {
  const headers = { ...authorization() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem("The service does not answer.");
  }
  if (response.status === 401) {
    await askForToken();
    return request(method, path, body);
  }
  if (!response.ok) throw new Problem(detailOf(await response.text(), response.status));
  return response.status === 204 ? null : response.json();
}

export function detailOf(text, status) {
  try {
    return JSON.parse(text).detail;
  } catch {
    return `The service answered ${status}.`;
  }
}

/** Every news of every job, again after a break. EventSource cannot send a token, so the stream is read by hand. */
export async function followJobs({ onOpen, onJob, onAway }) {
  for (;;) {
    try {
      const response = await fetch("/api/progress", { headers: authorization() });
      if (response.status === 401) {
        await askForToken();
        continue;
      }
      if (!response.ok) throw new Problem();
      onOpen();
      await readEvents(response.body, (text) => onJob(JSON.parse(text)));
    } catch {
      // told below, and tried again
    }
    onAway();
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function readEvents(stream, onData) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data: ")) onData(line.slice(6));
    }
  }
}
