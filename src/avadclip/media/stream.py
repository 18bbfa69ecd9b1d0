"""Kinds of live sources, and the connection to each."""

import re
from contextlib import AbstractContextManager

import av
from av.container import InputContainer

from avadclip.errors import MediaError
from avadclip.media.container import FORMATS, MAX_PIXELS, check_picture_size, shown

OPEN_SECONDS, READ_SECONDS = 15.0, 15.0  # timeouts after which a connection counts as lost

# A playlist may refer to other URLs, but never to a file: `file` is in no list.
_NETWORK = {"max_pixels": str(MAX_PIXELS), "analyzeduration": "2000000"}
_RTSP = _NETWORK | {
    "rtsp_transport": "tcp",  # with UDP, packet loss corrupts a whole group of pictures
    "fflags": "nobuffer",
    "protocol_whitelist": "rtsp,rtsps,rtp,srtp,tcp,tls,udp",
    "format_whitelist": "rtsp,sdp,rtp,mpegts",
}
_HTTP = _NETWORK | {
    "protocol_whitelist": "http,https,tcp,tls,crypto,httpproxy",
    "format_whitelist": f"{FORMATS},hls,mpjpeg,aac",
}
_WEBCAM = {"format_whitelist": "video4linux2,v4l2", "protocol_whitelist": "file"}
_OPTIONS = {"rtsp": _RTSP, "rtsps": _RTSP, "http": _HTTP, "https": _HTTP, "webcam": _WEBCAM}


def kind_of(source: str) -> str:
    """Classify a source as rtsp, rtsps, http, https, webcam or file; MediaError for any other scheme."""
    scheme, separator, _ = source.partition("://")
    if separator:
        if scheme.lower() not in _OPTIONS:
            raise MediaError(
                f"{without_password(source)}: {scheme}:// is not supported; use rtsp, rtsps, http or https"
            )
        return scheme.lower()
    return "webcam" if re.fullmatch(r"/dev/video\d+", source) else "file"


def without_password(text: str) -> str:
    """Remove user and password from every URL in a text."""
    return re.sub(r"://[^/\s]*@", "://***@", text)


def open_stream(source: str, kind: str) -> AbstractContextManager[InputContainer]:
    """Connect to a source that is no file; see camera.open_camera."""
    name = shown(without_password(source))
    try:
        container = av.open(
            source,
            format="v4l2" if kind == "webcam" else None,
            options=_OPTIONS[kind],
            timeout=(OPEN_SECONDS, READ_SECONDS),
            metadata_errors="replace",
        )
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{name} cannot be opened ({reason}); check the address, and that it plays") from error
    try:
        check_picture_size(container, name)
    except MediaError as error:
        container.close()
        raise MediaError(without_password(str(error))) from error
    return container
