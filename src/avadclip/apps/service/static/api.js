// Client of the API: token, one-line problems, and the stream of jobs.

const KEY = "avadclip-token";
const RETRY_MS = 3000;

let token = sessionStorage.getItem(KEY);

export class Problem extends Error {}

export function authorization() {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Show the token dialog, one at a time; resolves when a token was entered. */
let tokenPrompt = null;
export function requestToken() {
  tokenPrompt ??= new Promise((resolve) => {
    const dialog = document.getElementById("login");
    document.getElementById("login-problem").hidden = token === null;
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => {
      token = document.getElementById("token").value.trim();
      sessionStorage.setItem(KEY, token);
      tokenPrompt = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return tokenPrompt;
}

/** Send one request; a Problem has the service's reason in one line. */
export async function request(method, path, body) {
  const headers = { ...authorization() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem("The service is unreachable.");
  }
  if (response.status === 401) {
    await requestToken();
    return request(method, path, body);
  }
  if (!response.ok) throw new Problem(detailOf(await response.text(), response.status));
  return response.status === 204 ? null : response.json();
}

export function detailOf(text, status) {
  try {
    return JSON.parse(text).detail;
  } catch {
    return `The service failed with status ${status}.`;
  }
}

/** Follow the updates of all jobs and reconnect after a break. EventSource cannot send a token, hence fetch. */
export async function followJobs({ onOpen, onJob, onDisconnect }) {
  for (;;) {
    try {
      const response = await fetch("api/progress", { headers: authorization() });
      if (response.status === 401) {
        await requestToken();
        continue;
      }
      if (!response.ok) throw new Problem();
      onOpen();
      await readEvents(response.body, (text) => onJob(JSON.parse(text)));
    } catch {
      // reported below, then retried
    }
    onDisconnect();
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
