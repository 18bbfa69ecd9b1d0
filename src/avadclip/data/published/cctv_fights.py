"""CCTV-Fights_sub: 157 test videos of surveillance cameras, all with fights, snippets of 4 frames.

The normal videos that the paper trains on were never published.
"""

from collections.abc import Sequence
from pathlib import Path

from avadclip.data.published.annotations import ClassSpan, read_spans
from avadclip.data.published.definition import (
    Annotations,
    Benchmark,
    ListedVideo,
    join_rows,
    labels_of_code,
    read_csv_list,
)
from avadclip.labels import NORMAL, XD_VIOLENCE_CODES
from avadclip.timeline import SnippetGrid

FIGHTING = XD_VIOLENCE_CODES["B1"]


def read_list(path: Path) -> list[ListedVideo]:
    """Read a CSV list as for XD-Violence, or the names in the annotations, with the same codes. Raises DataError."""
    if path.suffix == ".csv":
        return read_csv_list(path, labels_of_code)
    rows = [(str(path), name, name.rpartition("_label_")[2]) for name in read_spans(path)]
    return join_rows(rows, labels_of_code)


def read_annotations(paths: Sequence[Path]) -> Annotations:
    """Read the annotations; every interval is a fight. Raises DataError."""
    spans = read_spans(paths[0])
    return Annotations({name: tuple(ClassSpan(FIGHTING, span) for span in each) for name, each in spans.items()}, None)


ANNOTATIONS = ("annotations_cctv.txt", "annotations.txt")
CCTV_FIGHTS = Benchmark(
    name="cctv-fights",
    title="CCTV-Fights_sub",
    classes=(NORMAL, FIGHTING),
    grid=SnippetGrid(snippet_frames=4),
    annotated_at_hz=None,
    train_lists=("cctv_CLIP_rgb.csv", "train_videos.csv"),
    test_lists=("cctv_CLIP_rgbtest.csv", "test_videos.csv", *ANNOTATIONS),
    annotation_files=(ANNOTATIONS,),
    read_list=read_list,
    read_annotations=read_annotations,
    num_videos=(0, 157),
    has_sound=True,
    is_trained_on=False,
    tables=("Table 3",),
    caveats=(
        "all test videos hold fights, 45.5 % of the frames: a random score gets AP 45.5",
        "the published frame truth lacks 2 of 349 annotated fights (111 frames); they count here",
    ),
)
