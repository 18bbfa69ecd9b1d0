"""`avadclip doctor`."""

import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

import typer

from avadclip import __version__
from avadclip.report.words import printable

LIBRARIES = ("torch", "onnxruntime", "numpy", "av")
DECODERS = {"h264": "h264", "hevc": "hevc", "av1": "libdav1d", "vp9": "vp9", "aac": "aac", "opus": "opus"}
"""Codecs of most videos, with FFmpeg's decoders that need no GPU."""


def doctor() -> None:
    """Check this installation: versions, devices, decoders, weights, cache, extras, plug-ins; does `detect` work?

    What is missing is named with how to get it. Nothing is downloaded.
    Exit code 0 if `detect` works with its defaults, else 1.
    """
    for title, check in SECTIONS.items():
        _print_section(title, check)
    raise typer.Exit(0 if _print_section("detect", _detect) else 1)


def _print_section(title: str, check: Callable[[], Iterator[str]]) -> bool:
    """Print the lines of a check; an error of whatever kind is its last line. Return whether there was none."""
    lines: list[str] = []
    problem = None
    try:
        lines.extend(check())
    except Exception as error:  # a broken library raises what it likes, and the other checks are wanted all the more
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        lines.append(f"does not work: {problem}")
    for number, line in enumerate(lines):
        typer.echo(f"{title if number == 0 else '':<9} {printable(line)}")
    return problem is None


def _versions() -> Iterator[str]:
    yield f"avadclip {__version__}, Python {platform.python_version()}, {platform.platform()}"
    for name in LIBRARIES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} missing: pip install {name}"


def _devices() -> Iterator[str]:
    import torch

    from avadclip.encoders.device import AUTO, choose_device

    yield f"cpu: {torch.get_num_threads()} threads"
    for index in range(torch.cuda.device_count()):
        yield f"cuda:{index}: {torch.cuda.get_device_name(index)}"
    yield f"--device auto is {choose_device(AUTO, 'clip')} for clip; other encoders run on the CPU"


def _decoders() -> Iterator[str]:
    import av

    yield f"FFmpeg {av.ffmpeg_version_info}"
    missing = [codec for codec, decoder in DECODERS.items() if not _can_decode(decoder)]
    yield ", ".join(codec for codec in DECODERS if codec not in missing)
    if missing:
        yield f"missing: {', '.join(missing)}; install PyAV's own wheel: pip install --force-reinstall av"


def _can_decode(decoder: str) -> bool:
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    try:
        Codec(decoder, "r")
    except UnknownCodecError:
        return False
    return True


def _weights() -> Iterator[str]:
    from avadclip.encoders.weights import known_weights
    from avadclip.inference.published_weights.download import known_release

    for weights in (*known_weights(), known_release()):
        missing = f"missing: avadclip weights get {weights.name}"
        yield f"{weights.name:<12} {missing if weights.found is None else weights.found}"


def _cache() -> Iterator[str]:
    from avadclip.encoders.downloads.cache import cache_folder
    from avadclip.encoders.downloads.contents import list_cache

    yield f"{sum(entry.num_bytes for entry in list_cache()) / 1e6:.1f} MB  {cache_folder()}"


def _extras() -> Iterator[str]:
    from avadclip.extras import EXTRAS, missing_libraries

    for extra, part in EXTRAS.items():
        missing = missing_libraries(extra)
        state = f"missing {', '.join(missing)}: pip install 'avadclip[{extra}]'" if missing else "installed"
        yield f"{extra:<12} {state}; for {part.title}"


def _plugins() -> Iterator[str]:
    from avadclip.apps.live.sinks.registry import SINKS
    from avadclip.baselines.build import COMPARED
    from avadclip.encoders.load import ENCODERS

    entries = [entry for registry in (ENCODERS, COMPARED, SINKS) for entry in registry.entries()]
    for entry in entries:
        state = entry.origin if entry.problem is None else f"cannot be used: {entry.problem}"
        yield f"{entry.kind:<12} {entry.name}: {state}"
    if not entries:
        yield "none installed"


def _detect() -> Iterator[str]:
    from avadclip.inference.detector import load_detector

    if not _can_decode(DECODERS["h264"]):
        raise LookupError("no decoder of h264")
    detector = load_detector(sounds=False)
    yield f"works, with the model {detector.scorer.name} and the encoders {detector.encoders.name}"


SECTIONS = {
    "versions": _versions,
    "devices": _devices,
    "decoders": _decoders,
    "weights": _weights,
    "cache": _cache,
    "extras": _extras,
    "plug-ins": _plugins,
}
