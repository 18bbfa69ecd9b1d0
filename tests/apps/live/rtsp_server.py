"""An RTSP camera for tests, run by the system's Python: GStreamer's bindings are Debian packages.

    /usr/bin/python3 rtsp_server.py PORT [--no-sound]

Every picture carries the time it was made: the upper half holds 32 bars, black or white, unix milliseconds modulo 2^32,
lowest bit left. Reads commands, one a line: `sound on`, `sound off`, `size WIDTH HEIGHT`.
"""

import os
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

RATE_HZ = 24
SOUND_RATE_HZ = 8000
SOURCE = "is-live=true format=time do-timestamp=true"
# One slice a picture: rtph264pay repeats the parameter sets before every slice, which tears a key frame of several.
ENCODER = "x264enc tune=zerolatency sliced-threads=false threads=1 speed-preset=ultrafast key-int-max=24 bitrate=1500"
PICTURE = f"appsrc name=picture {SOURCE} ! {ENCODER} ! rtph264pay name=pay0 pt=96 config-interval=-1"
SOUND = f"appsrc name=sound {SOURCE} caps=audio/x-alaw,rate={SOUND_RATE_HZ},channels=1 ! rtppcmapay name=pay1 pt=8"


class Camera(GstRtspServer.RTSPMediaFactory):
    def __init__(self, with_sound):
        super().__init__()
        self.size = (320, 240)
        self.sound_is_on = True
        self._picture = self._sound = None
        self.set_launch(f"( {PICTURE} {SOUND if with_sound else ''} )")
        self.set_shared(True)
        self.connect("media-configure", self._configure)
        GLib.timeout_add(1000 // RATE_HZ, self._push)

    def _configure(self, _, media):
        element = media.get_element()
        picture, sound = element.get_by_name("picture"), element.get_by_name("sound")
        self._show(picture)
        media.connect("unprepared", self._end)
        picture.connect("need-data", self._begin, picture, sound)

    def _begin(self, _, __, picture, sound):
        self._picture, self._sound = picture, sound

    def _end(self, _):
        self._picture = self._sound = None

    def _show(self, picture):
        width, height = self._shown = self.size
        caps = f"video/x-raw,format=I420,width={width},height={height},framerate={RATE_HZ}/1"
        picture.set_property("caps", Gst.Caps.from_string(caps))

    def _push(self):
        if self._picture is not None:
            if self._shown != self.size:
                self._show(self._picture)
            self._picture.emit("push-buffer", Gst.Buffer.new_wrapped(stamped_picture(*self.size)))
        if self._sound is not None and self.sound_is_on:
            noise = os.urandom(SOUND_RATE_HZ // RATE_HZ)  # as A-law: loud
            self._sound.emit("push-buffer", Gst.Buffer.new_wrapped(noise))
        return True


def stamped_picture(width, height):
    stamp = int(time.time() * 1000) % 2**32
    row = b"".join((b"\xeb" if stamp >> bit & 1 else b"\x10") * (width // 32) for bit in range(32))
    return row * (height // 2) + b"\x80" * (width * height)  # grey: the lower half, and both colour planes


def obey(camera):
    for line in sys.stdin:
        command, *words = line.split()
        if command == "sound":
            camera.sound_is_on = words == ["on"]
        elif command == "size":
            camera.size = tuple(map(int, words))


def main():
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1])
    camera = Camera("--no-sound" not in sys.argv)
    server.get_mount_points().add_factory("/yard", camera)
    server.attach(None)
    threading.Thread(target=obey, args=(camera,), daemon=True).start()
    print("ready", flush=True)  # noqa: T201
    GLib.MainLoop().run()


main()
