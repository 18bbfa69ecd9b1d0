// The video's clock: seconds since the first picture. Goes on without a video, so that scores can be looked at anyway.
"use strict";

(function (avadclip) {
  function createPlayer(video, { offsetSeconds, endSeconds }) {
    const listeners = [];
    let placed = 0; // where the reader went, while there is no video to ask
    const hasVideo = () => video.readyState > 0;

    function time() {
      const seconds = hasVideo() ? video.currentTime - offsetSeconds : placed;
      return Math.min(Math.max(seconds, 0), endSeconds);
    }

    function seek(seconds) {
      placed = Math.min(Math.max(seconds, 0), endSeconds);
      // Before its headers are read a video takes this as where to begin.
      video.currentTime = placed + offsetSeconds;
      tell();
    }

    function toggle() {
      if (!hasVideo()) return;
      if (video.paused) video.play();
      else video.pause();
    }

    function tell() {
      listeners.forEach((listener) => listener(time()));
    }

    function follow() {
      tell();
      if (!video.paused && !video.ended) requestAnimationFrame(follow);
    }

    video.addEventListener("play", follow);
    for (const name of ["seeking", "seeked", "timeupdate", "loadedmetadata"]) video.addEventListener(name, tell);
    return { time, seek, toggle, onTime: (listener) => listeners.push(listener) };
  }

  /** Where the video cannot be played, ask for it; a chosen file stays on this machine. */
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

  /** `#t=12.3` in the address leads to that moment, and follows where the reader stops or goes. */
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
