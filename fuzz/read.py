"""Coverage-guided fuzzing of one reader of files: whatever a file holds, it is read or refused with an AvadclipError.

    pip install atheris
    python fuzz/read.py labels                         # a corpus grows in fuzz/found/labels; ctrl-C ends it
    python fuzz/read.py features -max_total_time=300   # libFuzzer's own options follow the name

A file that breaks the promise is kept as `crash-HASH`; look at it again with `python fuzz/read.py labels crash-HASH`.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["avadclip", "tomllib", "numpy.lib"]):
    from avadclip.apps.live.config import WatchConfig
    from avadclip.config import TrainingConfig, read_config
    from avadclip.data.label_csv import read_label_csv
    from avadclip.data.published.annotations import read_class_spans, read_frame_counts, read_spans, read_ucf_spans
    from avadclip.errors import AvadclipError
    from avadclip.features.published import read_published, read_shape
    from avadclip.features.store import read_feature_shape, read_features
    from avadclip.inference.checkpoint import load_checkpoint
    from avadclip.report.documents import read_detections
    from avadclip.report.exports import to_csv, to_json, to_webvtt
    from avadclip.timeline import SnippetGrid

FOLDER = Path(__file__).parent


def read_both_ways(path: Path) -> None:
    """A file that is read must also be one whose head is read."""
    read_features(path)
    read_feature_shape(path)


def read_rows(path: Path) -> None:
    """The same for .npy files."""
    read_published([path], None, grid=SnippetGrid())
    read_shape(path)


def read_and_export(path: Path) -> None:
    """What is read as a result can also be written as one, in every form."""
    for detection in read_detections(path):
        to_json(detection, include_scores=True).encode()
        to_csv(detection.events).encode()
        to_webvtt(detection).encode()


READERS: dict[str, Callable[[Path], object]] = {
    "labels": read_label_csv,
    "spans": read_spans,
    "class-spans": read_class_spans,
    "ucf-spans": read_ucf_spans,
    "frame-counts": read_frame_counts,
    "features": read_both_ways,
    "published": read_rows,
    "checkpoint": load_checkpoint,
    "recipe": lambda path: read_config(path, TrainingConfig),
    "results": read_and_export,
    "watch": lambda path: read_config(path, WatchConfig),
}


def main() -> None:
    """Fuzz the reader that the command line names."""
    if len(sys.argv) < 2 or sys.argv[1] not in READERS:
        raise SystemExit(f"usage: python fuzz/read.py {'|'.join(READERS)} [libFuzzer's options]")
    name, *options = sys.argv[1:]
    read = READERS[name]
    path = Path(tempfile.mkdtemp()) / "input"

    def try_one(content: bytes) -> None:
        path.write_bytes(content)
        try:
            read(path)
        except AvadclipError as error:
            if len(str(error).splitlines()) != 1:
                raise RuntimeError(f"not one line: {error}") from error

    found = FOLDER / "found" / name
    found.mkdir(parents=True, exist_ok=True)
    only_once = any(not option.startswith("-") for option in options)  # a crash to look at again
    folders = [] if only_once else [str(found), str(FOLDER / "seeds" / name)]
    atheris.Setup([sys.argv[0], *options, *folders], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
