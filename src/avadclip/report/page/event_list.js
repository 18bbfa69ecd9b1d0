// List of the events: picture, class, times, score, and the viewer's verdict.
"use strict";

(function (avadclip) {
  const { clock } = avadclip.words;
  const { shortName } = avadclip.sounds;

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function createEventList(list, { files, marks, onChoose, onMark }) {
    function picture(event) {
      if (!event.snapshot) return element("span", "no-picture");
      const image = element("img");
      image.src = files + event.snapshot.split("/").map(encodeURIComponent).join("/");
      image.alt = "";
      image.loading = "lazy";
      return image;
    }

    /** How much sound or picture changed the score, if the model has a network without it. */
    function gains(event) {
      return [["sound", event.sound_gain], ["picture", event.picture_gain]]
        .filter(([, gain]) => gain !== null)
        .map(([modality, gain]) => {
          const effect = gain >= 0 ? "raised" : "lowered";
          return element("span", "event-gain", `${modality} ${effect} the score by ${Math.abs(gain).toFixed(2)}`);
        });
    }

    function sounds(event) {
      if (event.sounds.length === 0) return [];
      const names = event.sounds.map(({ name, probability }) => `${shortName(name)} ${probability.toFixed(2)}`);
      return [element("span", "event-sounds", `sounds: ${names.join(", ")}`)];
    }

    function chooser(event, number) {
      const mark = event.kind === "sound" ? "sound" : event.severity;
      const button = element("button", "event-choose");
      button.type = "button";
      const words = element("span", "event-words");
      const head = element("span", "event-head");
      head.append(element("span", "event-number", number), element("span", "event-label", event.label));
      if (mark !== "detection") head.append(element("span", `badge ${mark}`, mark));
      const score = element("meter", "event-score");
      Object.assign(score, { min: 0, max: 1, value: event.score });
      score.setAttribute("aria-hidden", "true");
      const times = `${clock(event.start, 1)} – ${clock(event.end, 1)}`;
      const line = element("span", "event-line");
      line.append(element("span", "event-times", times), element("span", "event-number-score", event.score.toFixed(2)));
      words.append(head, line, score, ...gains(event), ...sounds(event));
      button.append(picture(event), words);
      button.setAttribute("aria-label", `Event ${number}: ${event.label}, ${times}, score ${event.score.toFixed(2)}, `
        + mark);
      button.addEventListener("click", (click) => {
        onChoose(event);
        // After a mouse click the keys control the video again; keyboard focus stays in the list.
        if (click.detail > 0) button.blur();
      });
      return button;
    }

    function verdicts(event, number) {
      return avadclip.verdicts.createVerdicts({
        name: `event ${number}`,
        classes: marks.classes?.filter((name) => name !== event.label) ?? null,
        current: () => marks.get(event),
        give: async (verdict, correctLabel) => {
          await marks.set(event, verdict, correctLabel);
          onMark();
        },
      });
    }

    function show(events) {
      list.replaceChildren(
        ...events.map((event, index) => {
          const item = element("li", `event ${event.severity} ${event.kind}`);
          item.append(chooser(event, index + 1), verdicts(event, index + 1));
          return item;
        }),
      );
    }

    /** Highlight the current event and scroll it into view inside the list. */
    function highlight(index) {
      [...list.children].forEach((item, position) => {
        const isCurrent = position === index;
        if (isCurrent === item.hasAttribute("aria-current")) return;
        item.toggleAttribute("aria-current", isCurrent);
        if (isCurrent) {
          item.setAttribute("aria-current", "true");
          const isAbove = item.offsetTop < list.scrollTop;
          const isBelow = item.offsetTop + item.offsetHeight > list.scrollTop + list.clientHeight;
          if (isAbove || isBelow) {
            list.scrollTop = item.offsetTop - list.clientHeight / 3;
          }
        }
      });
    }

    return { show, highlight };
  }

  avadclip.eventList = { createEventList };
})((globalThis.avadclip ??= {}));
