// Score curve, named sounds and class map on one time axis, by Plotly; the playback cursor is a separate element on top.
"use strict";

(function (avadclip) {
  const { clock, counted, networkWords } = avadclip.words;
  const CURVE_PIXELS = 210;
  const CLASS_PIXELS = 20;
  const SOUND_PIXELS = 18;
  const FILM_PIXELS = 36;
  const WAVE_PIXELS = 28;
  const GAP_PIXELS = 14;
  const MARGIN = { t: 26, r: 64, b: 30 };
  const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
  const PIXELS_PER_TICK = 90;
  const MOST_NUMBERS = 40; // events; more numbers would overlap
  const DENSE = 2000; // snippets; a thick line through more would fill the plot with ink
  const CLICK_PIXELS = 4; // a pointer that moves further is dragging

  function colours() {
    const style = getComputedStyle(document.documentElement);
    return new Proxy({}, { get: (_, name) => style.getPropertyValue(`--${name}`).trim() });
  }

  function shorten(name) {
    return name.length <= 18 ? name : `${name.slice(0, 17)}…`;
  }

  /** Plotly reads a little HTML in texts; names are plain. */
  function plain(text) {
    return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  }

  function ticks([start, end], width) {
    const step = STEPS.find((seconds) => (end - start) / seconds <= width / PIXELS_PER_TICK) ?? STEPS.at(-1);
    const values = [];
    for (let index = Math.ceil(start / step); index * step <= end; index += 1) values.push(index * step);
    return { tickvals: values, ticktext: values.map((seconds) => clock(seconds, step < 1 ? 1 : 0)) };
  }

  function curves(result, edges, colour) {
    const { scores } = result;
    // The last score applies until the end of the video.
    const steps = (values) => [...values, values.at(-1)];
    const line = (values, name, look) => ({
      type: "scatter",
      mode: "lines",
      x: edges,
      y: steps(values),
      name,
      line: { shape: "hv", ...look },
      customdata: edges.map((seconds) => clock(seconds, 1)),
      hovertemplate: `${plain(name)} %{y:.2f} at %{customdata}<extra></extra>`,
    });
    return [
      scores.audio_student
        && line(scores.audio_student, networkWords("audio student"), { color: colour.audio, width: 1, dash: "dot" }),
      scores.visual_student
        && line(scores.visual_student, networkWords("visual student"), { color: colour.visual, width: 1 }),
      line(scores.anomaly, networkWords(result.network), { color: colour.score, width: edges.length > DENSE ? 1 : 2 }),
    ].filter(Boolean);
  }

  function classMap(result, edges, colour) {
    const { classes, scores } = result;
    const middles = edges.slice(0, -1).map((edge, index) => clock((edge + edges[index + 1]) / 2, 1));
    return {
      type: "heatmap",
      x: edges,
      y: classes.map((_, index) => index),
      z: classes.map((_, index) => scores.class_probabilities.map((row) => row[index])),
      customdata: classes.map(() => middles),
      text: classes.map((name) => middles.map(() => plain(name))),
      yaxis: "y2",
      zmin: 0,
      zmax: 1,
      ygap: 1,
      showscale: false,
      colorscale: [[0, colour["map-0"]], [0.33, colour["map-1"]], [0.66, colour["map-2"]], [1, colour["map-3"]]],
      hovertemplate: "%{text} %{z:.2f} at %{customdata}<extra></extra>",
    };
  }

  /** A line across the chart for each threshold, with its name beside it. */
  function levels({ detection, alert }, colour) {
    const values = alert === null ? { detection } : { detection, alert };
    const areClose = alert !== null && Math.abs(alert - detection) < 0.08; // the names would overlap
    const shapes = [];
    const annotations = [];
    for (const [text, value] of Object.entries(values)) {
      const isUpper = value === Math.max(...Object.values(values));
      shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, yref: "y", y0: value, y1: value, layer: "above",
        line: { color: colour.event, width: 1, dash: text === "alert" ? "dot" : "dash" } });
      annotations.push({ xref: "paper", x: 1, xanchor: "left", xshift: 4, yref: "y", y: value, text, showarrow: false,
        yanchor: areClose ? (isUpper ? "bottom" : "top") : "middle", font: { color: colour.event, size: 11 } });
    }
    return { shapes, annotations };
  }

  /** Events as numbered bands, with the thresholds they were cut by; those of sounds lie under those of the model. */
  function bands(events, thresholds, colour) {
    const { shapes, annotations } = levels(thresholds, colour);
    events.forEach((event, index) => {
      const isAlert = event.severity === "alert";
      const isSound = event.kind === "sound";
      const ink = isSound ? colour.sound : colour.event;
      const top = isSound ? 1 - 6 / CURVE_PIXELS : 1;
      const band = { type: "rect", xref: "x", x0: event.start, x1: event.end, yref: "y domain", layer: "below" };
      const opacity = isAlert ? 0.28 : 0.15;
      shapes.push({ ...band, y0: 0, y1: top, fillcolor: ink, opacity, line: { width: 0 } });
      // A line as well: an event of a second in an hour is less than a pixel wide, and must still be seen.
      shapes.push({ ...band, type: "line", y0: top, y1: top, layer: "above", opacity: isAlert || isSound ? 1 : 0.6,
        line: { color: ink, width: 4 } });
      if (events.length <= MOST_NUMBERS) {
        annotations.push({ xref: "x", x: (event.start + event.end) / 2, text: index + 1, showarrow: false,
          yref: "y domain", y: top, yshift: isSound ? -2 : 3, yanchor: isSound ? "top" : "bottom",
          font: { color: ink, size: 12 } });
      }
    });
    return { shapes, annotations };
  }

  /** Strips of pictures under the curve, from the top; `film` and `waveform` are URLs. */
  function stripRows({ film, waveform }, end) {
    const part = end / film.length;
    const pictures = film.map((source, index) => source && { source, x: index * part, sizex: part, sizing: "fill" });
    const sound = { source: waveform, x: 0, sizex: end, sizing: "stretch" };
    const rows = [
      film.length && { name: "film", pixels: FILM_PIXELS, images: pictures.filter(Boolean) },
      waveform && { name: "sound", pixels: WAVE_PIXELS, images: [sound] },
    ].filter(Boolean);
    let below = CURVE_PIXELS; // the top of the chart
    return rows.map((row) => {
      const top = below + GAP_PIXELS;
      below = top + row.pixels;
      return { ...row, top };
    });
  }

  /** Draws into `chart`; `film` and `waveform` as in `stripRows`, `onSeek` gets the time of a click. */
  function createChart(chart, cursor, result, { film, waveform, onSeek }) {
    const edges = avadclip.events.boundaries(result.scores);
    const end = edges.at(-1);
    const sounds = result.sounds ?? [];
    const soundNames = avadclip.sounds.rowNames(sounds);
    const mapPixels = CLASS_PIXELS * result.classes.length;
    const lanePixels = soundNames.length ? SOUND_PIXELS * soundNames.length + GAP_PIXELS : 0;
    const strips = stripRows({ film, waveform }, end);
    const stripPixels = strips.reduce((sum, { pixels }) => sum + GAP_PIXELS + pixels, 0);
    const height = MARGIN.t + CURVE_PIXELS + stripPixels + lanePixels + GAP_PIXELS + mapPixels + MARGIN.b;
    const inner = height - MARGIN.t - MARGIN.b;
    let shown = { events: [], thresholds: result.thresholds };
    let moment = 0;
    let isReady = false;
    const rowLabels = soundNames.map((name) => shorten(avadclip.sounds.shortName(name)));
    chart.style.height = `${height}px`; // Plotly fits itself into it, also when the window changes

    function axes(colour) {
      const range = chart.layout?.xaxis?.range ?? [0, end];
      const quiet = { color: colour.ink, gridcolor: colour.line, zeroline: false, fixedrange: true,
        ticks: "outside", ticklen: 6, tickcolor: "rgba(0,0,0,0)" };
      return {
        xaxis: { ...quiet, range, fixedrange: false, showgrid: false, anchor: "y2", minallowed: 0, maxallowed: end,
          ...ticks(range, chart.clientWidth), tickcolor: colour.line },
        yaxis: { ...quiet, range: [0, 1.02], domain: [1 - CURVE_PIXELS / inner, 1],
          title: { text: "anomaly score", standoff: 8 }, tickvals: [0, 0.25, 0.5, 0.75, 1] },
        yaxis2: { ...quiet, range: [result.classes.length - 0.5, -0.5], domain: [0, mapPixels / inner], showgrid: false,
          tickvals: result.classes.map((_, index) => index),
          ticktext: result.classes.map((name) => plain(shorten(name))) },
        ...(lanePixels && { yaxis3: { ...quiet, range: [soundNames.length - 0.5, -0.5], showgrid: false,
          domain: [(mapPixels + GAP_PIXELS) / inner, (mapPixels + lanePixels) / inner],
          tickvals: soundNames.map((_, index) => index), ticktext: rowLabels.map(plain) } }),
      };
    }

    function images() {
      return strips.flatMap((strip) => strip.images.map((image) => ({ ...image, xref: "x", yref: "paper", yanchor: "top",
        y: 1 - strip.top / inner, sizey: strip.pixels / inner, layer: "below" })));
    }

    /** Bands and thresholds, and the names of the strips: Plotly has one list of texts. */
    function overlays(colour) {
      const { shapes, annotations } = bands(shown.events, shown.thresholds, colour);
      const names = strips.map(({ name, top, pixels }) => ({ text: name, xref: "paper", x: 0, xanchor: "right", xshift: -8,
        yref: "paper", y: 1 - (top + pixels / 2) / inner, yanchor: "middle", showarrow: false,
        font: { color: colour.ink, size: 12 } }));
      return { shapes, annotations: [...annotations, ...names] };
    }

    function draw() {
      const colour = colours();
      const longest = Math.max(...[...result.classes.map(shorten), ...rowLabels].map((name) => name.length));
      const layout = {
        autosize: true,
        margin: { ...MARGIN, l: 22 + 6.5 * Math.max(longest, 6) },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { family: "system-ui, sans-serif", size: 12, color: colour.ink },
        hovermode: "closest",
        hoverlabel: { bgcolor: colour.card, bordercolor: colour.line, font: { color: colour.ink } },
        dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
        showlegend: false,
        ...axes(colour),
        images: images(),
        ...overlays(colour),
      };
      const traces = [...curves(result, edges, colour), classMap(result, edges, colour)];
      if (lanePixels) {
        traces.push(avadclip.sounds.bars(sounds, soundNames, { colour: colour.sound, plain, yaxis: "y3" }));
      }
      Plotly.react(chart, traces, layout, { displayModeBar: false, responsive: true }).then(() => {
        if (!isReady) connect();
        placeCursor();
      });
    }

    function show(events, thresholds) {
      shown = { events, thresholds };
      const peak = result.peak_score.toFixed(2);
      const level = thresholds.detection.toFixed(3);
      chart.setAttribute("aria-label", `Anomaly score over ${clock(end)}, highest ${peak}, threshold ${level}, `
        + `${counted(events.length, "event")}. Their times are in the list.`
        + (film.length ? " Pictures of the video are below." : "") + (waveform ? " So is its sound's waveform." : "")
        + (result.sound_summary ? ` Sounds: ${result.sound_summary}.` : ""));
      if (isReady) Plotly.relayout(chart, overlays(colours()));
      else draw();
    }

    function setTicks() {
      const axis = chart._fullLayout.xaxis;
      const wanted = ticks(axis.range, axis._length);
      if (String(wanted.tickvals) === String(chart.layout.xaxis.tickvals)) return;
      Plotly.relayout(chart, { "xaxis.tickvals": wanted.tickvals, "xaxis.ticktext": wanted.ticktext });
    }

    function placeCursor() {
      const axis = chart._fullLayout?.xaxis;
      if (!axis) return;
      const x = axis.d2p(moment);
      cursor.hidden = x < -0.5 || x > axis._length + 0.5;
      cursor.style.transform = `translateX(${axis._offset + x}px)`;
      cursor.style.top = `${MARGIN.t}px`;
      cursor.style.height = `${inner}px`;
    }

    function setTime(seconds) {
      moment = seconds;
      placeCursor();
    }

    function connectPointer() {
      chart.addEventListener("pointerdown", (down) => {
        if (down.button !== 0) return;
        addEventListener("pointerup", (up) => {
          const moved = Math.hypot(up.clientX - down.clientX, up.clientY - down.clientY);
          const axis = chart._fullLayout.xaxis;
          const x = up.clientX - chart.getBoundingClientRect().left - axis._offset;
          if (moved <= CLICK_PIXELS && x >= 0 && x <= axis._length) onSeek(axis.p2d(x));
        }, { once: true });
      }, { capture: true });
    }

    function connect() {
      chart.on("plotly_relayout", () => { setTicks(); placeCursor(); });
      chart.on("plotly_afterplot", placeCursor);
      new ResizeObserver(setTicks).observe(chart);
      connectPointer();
      isReady = true;
      chart.dataset.ready = "yes";
    }

    return { show, draw, setTime };
  }

  avadclip.chart = { createChart };
})((globalThis.avadclip ??= {}));
