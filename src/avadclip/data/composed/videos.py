"""Composed sequences as playable files, with a CSV file of their labels: a dataset like any user's own.

FFV1 and FLAC in Matroska, both lossless: the features extracted from a file are those of `load_composed`. VLC and mpv
play them; browsers do not.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from avadclip.data import progress
from avadclip.data.composed.dataset import COMPOSED, plan_composed, split_spec
from avadclip.data.composed.features import intervals_of
from avadclip.data.composed.picture import FRAME_SIZE, frames_of
from avadclip.data.composed.plan import SequencePlan
from avadclip.data.composed.recordings import GRID, Recording
from avadclip.data.composed.sound import FULL_SCALE, render_sound
from avadclip.data.synthetic import Split
from avadclip.files import atomic_path, write_atomically
from avadclip.labels import NORMAL
from avadclip.media.track import SAMPLE_RATE_HZ

SUFFIX = ".mkv"


def write_composed_videos(spec: str, out: Path, *, split: Split, limit: int | None = None, seed: int = 0) -> list[Path]:
    """Write a split's sequences as videos, `labels.csv` and `licences.txt`; those of training have no times.

    Args:
        spec: as load_composed takes it.
        out: folder, made if it is missing; files of the same name are replaced.
        split: whose sequences.
        limit: only so many, the first ones; half of them hold events.
        seed: as load_composed takes it.

    Raises:
        ConfigError, DataError, MediaError: as load_composed.
    """
    size, folder = split_spec(spec)
    composed = plan_composed(size, folder, seed=seed)
    plans = composed.sequences[split][:limit]
    paths = [out / f"{plan.name}{SUFFIX}" for plan in plans]
    title = f"videos of {COMPOSED}{size}"
    with progress.show_steps(title) as show:
        for number, (plan, path) in enumerate(zip(plans, paths, strict=True), start=1):
            with atomic_path(path) as temporary:
                _write_video(temporary, plan, composed.recordings)
            show(title, number, len(plans))
    rows = [row for plan in plans for row in _label_rows(plan, split)]
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("video", "label", "start", "end", "split"), *rows])
    write_atomically(out / "labels.csv", table.getvalue())
    licences = sorted({composed.recordings[name].licence for plan in plans for name in plan.used()})
    write_atomically(out / "licences.txt", "".join(f"{licence}\n" for licence in licences))
    return paths


def _label_rows(plan: SequencePlan, split: Split) -> Iterator[tuple[str, ...]]:
    name, intervals = f"{plan.name}{SUFFIX}", intervals_of(plan)
    if not intervals:
        yield name, NORMAL, "", "", split
    elif split == "train":
        yield name, "|".join(sorted({interval.label for interval in intervals})), "", "", split
    else:
        for interval in intervals:
            yield name, interval.label, repr(interval.start), repr(interval.end), split


def _write_video(path: Path, plan: SequencePlan, recordings: Mapping[str, Recording]) -> None:
    samples = np.rint(render_sound(plan, recordings) * FULL_SCALE).astype(np.int16)
    with av.open(str(path), "w") as container:
        picture = container.add_stream("ffv1", rate=Fraction(GRID.frame_rate_hz))
        picture.height, picture.width = FRAME_SIZE
        picture.pix_fmt = "bgr0"
        sound = container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono")
        heard = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        heard.sample_rate, heard.pts = SAMPLE_RATE_HZ, 0
        # FLAC's last packet is empty, without a time: it holds the checksum of the samples.
        container.mux([packet for packet in [*sound.encode(heard), *sound.encode(None)] if packet.size])
        for pixels in frames_of(plan, recordings):
            shown = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="bgr0")
            container.mux(picture.encode(shown))
        container.mux(picture.encode(None))
