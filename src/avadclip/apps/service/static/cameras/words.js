// Times and states of cameras as people read them.

const { clock } = globalThis.avadclip.words;

export const AGO_SECONDS = { minute: 60, hour: 3600, day: 86400 };

/** `3 s ago`, `5 min ago`, `2 h ago`, or the date. */
export function ago(seconds, now = Date.now() / 1000) {
  const passed = Math.max(0, now - seconds);
  if (passed < AGO_SECONDS.minute) return `${Math.round(passed)} s ago`;
  if (passed < AGO_SECONDS.hour) return `${Math.floor(passed / AGO_SECONDS.minute)} min ago`;
  if (passed < AGO_SECONDS.day) return `${Math.floor(passed / AGO_SECONDS.hour)} h ago`;
  return moment(seconds);
}

export function moment(seconds) {
  return new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
}

export function timeOfDay(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

export function duration({ start, end, is_open: isOpen }) {
  if (isOpen) return "ongoing";
  return end === null ? "unknown length" : clock(end - start, 1);
}

export function showState(element, state) {
  element.dataset.state = state;
  element.textContent = state === "unknown" ? "events only" : state;
}
