// Page of one video: reads the embedded result and connects the parts.
"use strict";

(function (avadclip) {
  const { clock, counted } = avadclip.words;
  const BEFORE_SECONDS = 1; // `previous` within this of an event's start means the event before

  const byId = (id) => document.getElementById(id);
  const page = JSON.parse(byId("page-data").textContent);
  const { document: result, offset_seconds: offsetSeconds, film, waveform, files, service } = page;
  const edges = avadclip.events.boundaries(result.scores);
  const player = avadclip.player.createPlayer(byId("video"), { offsetSeconds, endSeconds: edges.at(-1) });
  const marks = service
    ? avadclip.serviceMarks.createServiceMarks(result, service, { onChange: () => list.show(events) })
    : avadclip.marks.createMarks(result);
  const chart = avadclip.chart.createChart(byId("chart"), byId("cursor"), result, {
    film: film.map((name) => name && files + name),
    waveform: waveform && files + waveform,
    onSeek: player.seek,
  });
  const list = avadclip.eventList.createEventList(byId("event-list"), {
    files,
    marks,
    onChoose: (event) => player.seek(event.start),
    onMark: showLabels,
  });
  const found = avadclip.events.foundEvents(result);
  const ofModel = found.filter((event) => event.kind === "model");
  const ofSounds = found.filter((event) => event.kind === "sound"); // at any threshold of the score
  let events = found;

  /** Reuse the snapshots of the original events for events at another threshold, by peak or by overlap. */
  function withSnapshots(cut) {
    return cut.map((event) => {
      const inside = ofModel.filter((one) => edges[one.peak] >= event.start && edges[one.peak] < event.end);
      const best = inside.find((one) => one.peak === event.peak) ?? inside[0];
      const isSame = best?.peak === event.peak; // the service knows it by its id
      return { ...event, snapshot: best?.snapshot ?? null, id: isSame ? best.id : null };
    });
  }

  function eventsAt(threshold) {
    const cut = withSnapshots(avadclip.events.cutEvents(result, threshold));
    return [...cut, ...ofSounds].sort((one, other) => one.start - other.start);
  }

  function setThreshold(value) {
    const isOwn = value === result.thresholds.detection;
    events = isOwn ? found : eventsAt(value);
    byId("threshold").value = value;
    byId("threshold-value").textContent = value.toFixed(3);
    byId("threshold-reset").disabled = isOwn;
    showEvents();
    chart.show(events, { ...result.thresholds, detection: value });
  }

  function showEvents() {
    const alerts = events.filter((event) => event.severity === "alert").length;
    const bySound = ofSounds.length ? `, ${ofSounds.length} by sound` : "";
    byId("events-count").textContent = events.length
      ? `${counted(events.length, "event")}, ${counted(alerts, "alert")}${bySound}`
      : `No events: the highest score is ${result.peak_score.toFixed(3)}`;
    byId("highest").hidden = events.length > 0;
    for (const id of ["previous", "next"]) byId(id).disabled = events.length === 0;
    list.show(events);
    showTime(player.time());
    showLabels();
  }

  function showTime(seconds) {
    chart.setTime(seconds);
    list.highlight(events.findLastIndex((event) => event.start <= seconds && seconds < event.end));
    const after = edges.findIndex((edge) => edge > seconds);
    const snippet = after < 0 ? result.scores.anomaly.length - 1 : after - 1;
    byId("now").textContent = `${clock(seconds, 1)} · score ${result.scores.anomaly[snippet].toFixed(2)}`;
  }

  function showLabels() {
    if (service) return;
    const { rows, why } = avadclip.marks.labelRows(result, events, marks);
    byId("save-labels").disabled = rows.length === 0;
    byId("labels-why").textContent = why;
  }

  function next() {
    const event = events.find(({ start }) => start > player.time() + 0.05);
    if (event) player.seek(event.start);
  }

  function highest() {
    const { anomaly } = result.scores;
    player.seek(edges[anomaly.indexOf(Math.max(...anomaly))]);
  }

  function previous() {
    const event = events.findLast(({ start }) => start < player.time() - BEFORE_SECONDS);
    if (event) player.seek(event.start);
  }

  player.onTime(showTime);
  avadclip.theme.onChange(chart.draw);
  avadclip.keyboard.connectKeyboard(player, { next, previous });
  byId("next").addEventListener("click", next);
  byId("highest").addEventListener("click", highest);
  byId("previous").addEventListener("click", previous);
  byId("threshold").addEventListener("input", (event) => setThreshold(Number(event.target.value)));
  byId("threshold-reset").addEventListener("click", () => setThreshold(result.thresholds.detection));
  byId("save-labels")?.addEventListener("click", () => {
    avadclip.marks.saveLabels(result, avadclip.marks.labelRows(result, events, marks).rows);
  });
  setThreshold(result.thresholds.detection);
  if (service) {
    marks.connectMissed(player);
    marks.load();
  }
  avadclip.player.offerChoice(byId("video"), player);
  avadclip.player.linkAddress(byId("video"), player);
})((globalThis.avadclip ??= {}));
