"""UCF-Crime: 1,610 training and 290 test videos of surveillance cameras, 13 kinds of anomaly, without sound."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from avadclip.data.published.annotations import read_ucf_spans
from avadclip.data.published.definition import Annotations, Benchmark, Labels, ListedVideo, join_rows, read_csv_list
from avadclip.errors import DataError
from avadclip.labels import UCF_CRIME_FOLDERS
from avadclip.timeline import SnippetGrid


def _labels_of_folder(folder: str) -> Labels:
    """Labels of a folder such as `RoadAccidents`, `Training_Normal_Videos_Anomaly`, `Normal`; raises DataError."""
    if folder not in UCF_CRIME_FOLDERS:
        raise DataError(f"class `{folder}`; needed one of {', '.join(UCF_CRIME_FOLDERS)}")
    return (UCF_CRIME_FOLDERS[folder],)


def read_list(path: Path) -> list[ListedVideo]:
    """Read a list: `Abuse/Abuse001_x264.mp4` per line, or CSV `path,label`. Raises DataError."""
    if path.suffix == ".csv":
        return read_csv_list(path, _labels_of_folder)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); download it again") from error
    numbered = [(f"{path}:{number}", line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    return join_rows([(at, line, PurePosixPath(line).parent.name) for at, line in numbered], _labels_of_folder)


def read_annotations(paths: Sequence[Path]) -> Annotations:
    """Read the annotations: one class and at most two intervals per video, -1 if normal. Raises DataError."""
    intervals = {}
    for name, found in read_ucf_spans(paths[0]).items():
        try:
            named = tuple(each._replace(code=_labels_of_folder(each.code)[0]) for each in found)
        except DataError as error:
            raise DataError(f"{paths[0]}: {name} has the {error}") from error
        if named:
            intervals[name] = named
    return Annotations(intervals, None)


UCF_CRIME = Benchmark(
    name="ucf-crime",
    title="UCF-Crime",
    classes=tuple(dict.fromkeys(UCF_CRIME_FOLDERS.values())),
    grid=SnippetGrid(16, 30.0),
    annotated_at_hz=30.0,
    train_lists=("ucf_CLIP_rgb.csv", "Anomaly_Train.txt"),
    test_lists=("ucf_CLIP_rgbtest.csv", "Anomaly_Test.txt"),
    annotation_files=(("Temporal_Anomaly_Annotation.txt",),),
    read_list=read_list,
    read_annotations=read_annotations,
    num_videos=(1610, 290),
    has_sound=False,
    is_trained_on=True,
    tables=(),
    caveats=("papers report ROC AUC here; the AVadCLIP paper does not use it, since it has no sound",),
    normal_has_legacy_truth=False,
)
