"""What is called a video and is something else."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from .case import Case
from .samples import sample

PLAYLISTS = {
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
    "HLS with a key": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n',
    "ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "DASH": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "QuickTime link": '<?xml version="1.0"?><?quicktime type="application/x-quicktime-media-link"?>'
    '<embed src="{target}"/>',
    "ASX": '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
    "XML with entities": '<!DOCTYPE a [<!ENTITY b SYSTEM "{target}">]><a>&b;</a>',
}
TARGETS = {
    "a file beside it": "good.ts",
    "a file by path": "file:{folder}/good.ts",
    "the web": "http://127.0.0.1:9/a.ts",
}


def _playlists() -> Iterator[Case]:
    for kind, text in PLAYLISTS.items():
        for where, target in TARGETS.items():

            def build(folder: Path, text: str = text, target: str = target) -> Path:
                (folder / "good.ts").write_bytes(sample("ts"))
                path = folder / "list.mp4"
                path.write_text(text.replace("{target}", target.replace("{folder}", str(folder))))
                return path

            if "{target}" in text or where == "the web":
                yield Case("playlists named .mp4", f"{kind} that names {where}", build, "error", "not a video")


def _pictures() -> Iterator[Case]:
    for form in ("png", "jpeg", "gif", "bmp", "tiff", "webp"):

        def build(folder: Path, form: str = form) -> Path:
            Image.new("RGB", (64, 48)).save(folder / "a.mp4", format=form)
            return folder / "a.mp4"

        yield Case("other files named .mp4", form, build, "error", "not a video")


def _others() -> Iterator[Case]:
    contents = {
        "text": b"this is no video\n" * 500,
        "a web page": b"<!doctype html><html><body>404 not found</body></html>",
        "a program": b"\x7fELF\x02\x01\x01" + bytes(5000),
        "a zip archive": b"PK\x03\x04" + bytes(5000),
        "a script": b"#!/bin/sh\ntouch /tmp/ran\n",
        "subtitles": b"1\n00:00:01,000 --> 00:00:02,000\nhello\n",
        "one byte": b"\0",
    }
    for name, content in contents.items():

        def build(folder: Path, content: bytes = content) -> Path:
            (folder / "a.mp4").write_bytes(content)
            return folder / "a.mp4"

        yield Case("other files named .mp4", name, build, "error", "not a video")


def _places() -> Iterator[Case]:
    def link_to(target: str) -> Callable[[Path], Path]:
        def build(folder: Path) -> Path:
            (folder / "a.mp4").symlink_to(target)
            return folder / "a.mp4"

        return build

    def pipe(folder: Path) -> Path:
        os.mkfifo(folder / "a.mp4")
        return folder / "a.mp4"

    def folder_named(folder: Path) -> Path:
        (folder / "a.mp4").mkdir()
        return folder / "a.mp4"

    def listener(folder: Path) -> Path:
        with socket.socket(socket.AF_UNIX) as end:
            here = Path.cwd()
            os.chdir(folder)  # names of sockets are short
            try:
                end.bind("a.mp4")
            finally:
                os.chdir(here)
        return folder / "a.mp4"

    kind = "no files at all"
    yield Case(kind, "a link to itself", link_to("a.mp4"), "error", "cannot be opened")
    yield Case(kind, "a link to nothing", link_to("nowhere.mp4"), "error", "does not exist")
    yield Case(kind, "a link to /dev/zero", link_to("/dev/zero"), "error", "not a regular file")
    yield Case(kind, "a link to /dev/random", link_to("/dev/random"), "error", "not a regular file")
    yield Case(kind, "a link to a folder", link_to("."), "error", "is a directory")
    yield Case(kind, "a pipe", pipe, "error", "not a regular file")
    yield Case(kind, "a socket", listener, "error", "not a regular file")
    yield Case(kind, "a folder", folder_named, "error", "is a directory")
    yield Case(kind, "a file that is not there", lambda folder: folder / "a.mp4", "error", "does not exist")


CASES = (*_playlists(), *_pictures(), *_others(), *_places())
