"""XD-Violence: 3,954 training and 800 test videos of films and the web, six kinds of violence, with sound."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from avadclip.data.published.annotations import read_class_spans, read_spans
from avadclip.data.published.definition import Annotations, Benchmark, labels_of_code, read_csv_list
from avadclip.errors import DataError
from avadclip.labels import XD_VIOLENCE_CODES
from avadclip.timeline import SnippetGrid


def read_annotations(paths: Sequence[Path]) -> Annotations:
    """Read anomalous frames from the first file and classes from the second; six videos differ slightly between them.

    Raises:
        DataError: a file is unusable, or the two list different videos.
    """
    spans, of_classes = read_spans(paths[0]), read_class_spans(paths[1])
    for name in spans.keys() ^ of_classes.keys():
        raise DataError(f"{name} is in only one of {paths[0]} and {paths[1]}; download both again")
    intervals = {}
    for name, found in of_classes.items():
        for code, _ in found:
            if code not in XD_VIOLENCE_CODES:
                raise DataError(f"{paths[1]}: {name} has the class {code}; known are {', '.join(XD_VIOLENCE_CODES)}")
        intervals[name] = tuple(each._replace(code=XD_VIOLENCE_CODES[each.code]) for each in found)
    return Annotations(intervals, spans)


XD_VIOLENCE = Benchmark(
    name="xd-violence",
    title="XD-Violence",
    classes=tuple(XD_VIOLENCE_CODES.values()),
    grid=SnippetGrid(16, 24.0),
    annotated_at_hz=24.0,
    train_lists=("xd_CLIP_rgb.csv", "train_videos.csv"),
    test_lists=("xd_CLIP_rgbtest.csv", "test_videos.csv"),
    annotation_files=(("annotations.txt",), ("annotations_multiclasses.txt",)),
    read_list=partial(read_csv_list, read_label=labels_of_code),
    read_annotations=read_annotations,
    num_videos=(3954, 800),
    has_sound=True,
    is_trained_on=True,
    tables=("Table 1", "Table 2", "Table 4", "Table 5", "Table 6"),
    caveats=("533 of the 800 test videos are cut from films or web videos that training videos are cut from too",),
)
