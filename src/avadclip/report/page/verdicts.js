// Buttons for a person's verdict on one event; also of the service's lists.
"use strict";

(function (avadclip) {
  const REAL = "real";
  const FALSE_ALARM = "false alarm";
  const WRONG_CLASS = "wrong class";
  const WORDS = { [REAL]: "Real", [FALSE_ALARM]: "False alarm", [WRONG_CLASS]: "Wrong class" };
  let numLists = 0; // for the ids that inputs refer to lists of choices by

  function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  /** An input for a class, with those that are known as choices. */
  function createClassInput(name, classes) {
    const list = element("datalist", { id: `classes-${(numLists += 1)}` });
    list.append(...classes.map((value) => element("option", { value })));
    const input = element("input", { type: "text", maxLength: 100, size: 12, placeholder: "right class", required: true });
    input.setAttribute("aria-label", name);
    input.setAttribute("list", list.id);
    return [input, list];
  }

  /**
   * name: of the event, for screen readers; classes: known ones, null where only real and false alarm can be given;
   * current(): { verdict, correctLabel } or null; give(verdict or null, correctLabel): set or withdraw it.
   */
  function createVerdicts({ name, classes, current, give }) {
    const group = element("div", { className: "verdicts" });
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", `Your verdict on ${name}`);
    const words = classes === null ? [REAL, FALSE_ALARM] : [REAL, FALSE_ALARM, WRONG_CLASS];
    const buttons = words.map((verdict) => {
      const button = element("button", { type: "button", className: "verdict" });
      button.dataset.verdict = verdict;
      button.addEventListener("click", (click) => {
        if (verdict === WRONG_CLASS && current()?.verdict !== WRONG_CLASS) askForClass();
        else change(current()?.verdict === verdict ? null : verdict, null); // a second press withdraws it
        // After a mouse click the keys control the page again; keyboard focus stays.
        if (click.detail > 0 && verdict !== WRONG_CLASS) button.blur();
      });
      return button;
    });
    let form = null;

    function askForClass() {
      form?.remove();
      const [input, list] = createClassInput(`Right class of ${name}`, classes);
      const save = element("button", { type: "button", className: "verdict", textContent: "Save" });
      form = element("span", { className: "right-class" }, input, list, save);
      const confirm = () => input.reportValidity() && change(WRONG_CLASS, input.value.trim());
      save.addEventListener("click", confirm);
      form.addEventListener("keydown", (event) => {
        event.stopPropagation(); // keys of the page
        if (event.key === "Enter" && event.target === input) confirm();
        if (event.key === "Escape") show();
      });
      group.append(form);
      input.focus();
    }

    async function change(verdict, correctLabel) {
      await give(verdict, correctLabel);
      show();
    }

    function show() {
      form?.remove();
      form = null;
      const given = current();
      for (const button of buttons) {
        const isGiven = given?.verdict === button.dataset.verdict;
        const right = isGiven && given.correctLabel ? `: ${given.correctLabel}` : "";
        button.textContent = WORDS[button.dataset.verdict] + right;
        button.setAttribute("aria-pressed", String(isGiven));
      }
    }

    group.append(...buttons);
    show();
    return group;
  }

  avadclip.verdicts = { REAL, FALSE_ALARM, WRONG_CLASS, createVerdicts, createClassInput };
})((globalThis.avadclip ??= {}));
