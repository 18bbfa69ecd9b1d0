// Creation of elements. Text is always set as text, so that a name is never parsed as HTML.

export const byId = (id) => document.getElementById(id);

/** make("a", { href: "/", className: "x" }, "text", child) */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

export const alertBadge = ({ severity }) => (severity === "alert" ? make("span", { className: "badge", textContent: "alert" }) : "");
