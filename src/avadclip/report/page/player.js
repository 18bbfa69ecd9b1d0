// Playback clock: seconds since the first frame. It also works without a video, so that scores can be browsed.
"use strict";

(function (avadclip) {
  function createPlayer(video, { offsetSeconds, endSeconds }) {
    const listeners = [];
    let placed = 0; // current time while there is no video
    const hasVideo = () => video.readyState > 0;

    function time() {
      const seconds = hasVideo() ? video.currentTime - offsetSeconds : placed;
      return Math.min(Math.max(seconds, 0), endSeconds);
    }

    function seek(seconds) {
      placed = Math.min(Math.max(seconds, 0), endSeconds);
      // Before its headers are read, a video takes this as its start time.
      video.currentTime = placed + offsetSeconds;
      notify();
    }

    function toggle() {
      if (!hasVideo()) return;
      if (video.paused) video.play();
      else video.pause();
    }

    function notify() {
      listeners.forEach((listener) => listener(time()));
    }

    function follow() {
      notify();
      if (!video.paused && !video.ended) requestAnimationFrame(follow);
    }

    video.addEventListener("play", follow);
    for (const name of ["seeking", "seeked", "timeupdate", "loadedmetadata"]) video.addEventListener(name, notify);
    return { time, seek, toggle, onTime: (listener) => listeners.push(listener) };
  }

  /** Offer to choose the file if the video cannot be played; a chosen file stays on this machine. */
  function offerChoice(video, player) {
    const panel = document.getElementById("missing");
    const show = (missing) => {
      panel.hidden = !missing;
      video.hidden = missing;
    };
    video.addEventListener("error", () => show(true));
    video.addEventListener("loadedmetadata", () => show(false));
    if (!video.getAttribute("src") || video.error) show(true);
    document.getElementById("choose").addEventListener("change", (event) => {
      const [file] = event.target.files;
      if (!file) return;
      const seconds = player.time();
      video.src = URL.createObjectURL(file);
      player.seek(seconds);
    });
  }

  /** Keep `#t=12.3` in the address in sync with the playback time. */
  function linkAddress(video, player) {
    function goToAddress() {
      const match = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash);
      if (match) player.seek(Number(match[1]));
    }
    function writeAddress() {
      if (video.paused) history.replaceState(null, "", `#t=${player.time().toFixed(1)}`);
    }
    addEventListener("hashchange", goToAddress);
    goToAddress();
    video.addEventListener("seeked", writeAddress);
    video.addEventListener("pause", writeAddress);
  }

  avadclip.player = { createPlayer, offerChoice, linkAddress };
})((globalThis.avadclip ??= {}));
