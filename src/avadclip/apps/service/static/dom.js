// What all pages have, and the creation of elements. Text is always set as text: a name is never parsed as HTML.

export const byId = (id) => document.getElementById(id);

/** One line over the page; "" hides it. */
export function showProblem(problem) {
  byId("problem").textContent = problem;
  byId("problem").hidden = problem === "";
}

/** Whether the service answers: state is `ready` or `offline`. */
export function showStatus(state, text) {
  byId("status").dataset.state = state;
  byId("status").textContent = text;
}

/** make("a", { href: "/", className: "x" }, "text", child) */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** `alert` or `sound` where an event is one. */
export function eventBadge({ severity, kind }) {
  const mark = kind === "sound" ? "sound" : severity;
  return mark === "detection" ? "" : make("span", { className: `badge ${mark}`, textContent: mark });
}

/** Table cell with the names of an event's sounds and their probabilities; whole names on hover. */
export function soundsCell({ sounds }) {
  const { shortName } = globalThis.avadclip.sounds;
  return make("td", {
    className: "event-sounds",
    textContent: sounds.map(({ name, probability }) => `${shortName(name)} ${probability.toFixed(2)}`).join(", "),
    title: sounds.map(({ name }) => name).join("\n"),
  });
}

/** makeSvg("rect", { width: 5 }, child) */
export function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
