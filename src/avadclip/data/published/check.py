"""Report of `avadclip data check`: findings of a survey, and the commands that can run."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from avadclip.data.published.annotations import build_frame_truth
from avadclip.data.published.definition import Benchmark
from avadclip.data.published.inspection import ProblemKind, SplitName
from avadclip.data.published.load import length_words
from avadclip.data.published.survey import FRAME_COUNTS, SplitSurvey, Survey

Status = Literal["complete", "partly usable", "unusable"]


class _Findings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitCheck(_Findings):
    """One split."""

    split: SplitName
    list_file: str | None
    """None if the list is missing."""
    num_published: int
    """Videos of the whole benchmark."""
    num_listed: int
    num_ready: int
    """Videos whose files are complete and consistent."""
    num_with_sound: int
    crops: tuple[int, ...]
    """Crops in use of published features; () for extracted ones."""
    is_usable: bool
    why_not: str
    """Why the split is unusable; '' if it is usable."""


class TruthCheck(_Findings):
    """Annotations of the test videos, in frames of whole snippets."""

    num_videos: int
    num_anomalous: int
    """Videos with an anomalous frame among those scored."""
    num_frames: int
    positive_percent: float


class ProblemCheck(_Findings):
    """One problem of one video."""

    split: SplitName
    video: str
    kind: ProblemKind
    message: str


class DataCheck(_Findings):
    """The complete check, as printed by `--format json`."""

    format: Literal["avadclip-data-check/1"] = "avadclip-data-check/1"
    benchmark: str
    title: str
    folder: str
    status: Status
    files: dict[str, str | None]
    """Required files besides features, with their paths; None for missing ones."""
    splits: tuple[SplitCheck, ...]
    lengths: str
    truth: TruthCheck | None
    """None if the test split is unusable."""
    problems: tuple[ProblemCheck, ...]
    extra_files: tuple[str, ...]
    """Unused features and videos that are in no list."""
    runs: tuple[str, ...]
    """Commands that can run with the present files."""
    tables: str
    """Tables of the paper that can be reproduced."""
    notes: tuple[str, ...]


def check_benchmark(survey: Survey) -> DataCheck:
    """Derive the report from a survey."""
    benchmark = survey.benchmark
    splits = (survey.train, survey.test)
    return DataCheck(
        benchmark=benchmark.name,
        title=benchmark.title,
        folder=str(survey.folders[0]),
        status=_status(survey),
        files=_files(survey),
        splits=tuple(_split(split, num) for split, num in zip(splits, benchmark.num_videos, strict=True)),
        lengths=_lengths(survey),
        truth=_truth(survey),
        problems=tuple(
            ProblemCheck(split=split.name, **problem._asdict()) for split in splits for problem in split.problems
        ),
        extra_files=tuple(map(str, survey.extra)),
        runs=tuple(_runs(survey)),
        tables=_tables(survey),
        notes=benchmark.caveats,
    )


def _status(survey: Survey) -> Status:
    needed = [survey.train, survey.test] if survey.benchmark.is_trained_on else [survey.test]
    if all(_is_complete(split, survey.benchmark) for split in needed):
        return "complete"
    is_usable = survey.train.is_usable or survey.test.as_partial().is_usable
    return "partly usable" if is_usable else "unusable"


def _is_complete(split: SplitSurvey, benchmark: Benchmark) -> bool:
    num_published = benchmark.num_videos[split.name == "test"]
    return split.is_usable and len(split.listed) == num_published and (split.has_sound or not benchmark.has_sound)


def _files(survey: Survey) -> dict[str, str | None]:
    benchmark = survey.benchmark
    needed = (benchmark.train_lists, benchmark.test_lists, *benchmark.annotation_files, (FRAME_COUNTS,))
    roles = ["training list", "test list", "annotations", "annotated classes"]
    roles = [*roles[: len(needed) - 1], "frame counts"]
    found = (next((survey.documents[name] for name in names if name in survey.documents), None) for names in needed)
    return {
        f"{role} ({' or '.join(names)})": None if path is None else str(path)
        for role, names, path in zip(roles, needed, found, strict=True)
    }


def _split(split: SplitSurvey, num_published: int) -> SplitCheck:
    is_published = any(video.provenance is None for video in split.ready)
    return SplitCheck(
        split=split.name,
        list_file=None if split.document is None else str(split.document),
        num_published=num_published,
        num_listed=len(split.listed),
        num_ready=len(split.ready),
        num_with_sound=sum(video.widths[1] > 0 for video in split.ready),
        crops=split.crops if is_published else (),
        is_usable=split.is_usable,
        why_not=split.why_not,
    )


def _lengths(survey: Survey) -> str:
    if survey.lengths is None:
        return f"not checked: no {FRAME_COUNTS} (NAME@FRAMES per line), or no features of test videos"
    return length_words(survey)


def _truth(survey: Survey) -> TruthCheck | None:
    if not survey.test.is_usable or survey.annotations is None:
        return None
    num_anomalous = num_frames = num_positive = 0
    for video in survey.test.ready:
        name, grid = video.listed.name, video.grid
        per_frame = grid.frame_rate_hz / video.frame_rate_hz
        spans = (
            [span for _, span in survey.annotations.intervals.get(name, ())]
            if survey.annotations.spans is None
            else survey.annotations.spans.get(name, ())
        )
        truth = build_frame_truth(
            [(round(start * per_frame), round(end * per_frame)) for start, end in spans],
            video.num_snippets,
            snippet_frames=grid.snippet_frames,
        )
        num_anomalous += bool(truth.any())
        num_frames += len(truth)
        num_positive += int(truth.sum())
    return TruthCheck(
        num_videos=len(survey.test.ready),
        num_anomalous=num_anomalous,
        num_frames=num_frames,
        positive_percent=100 * num_positive / num_frames,
    )


def _runs(survey: Survey) -> Iterable[str]:
    source = f"{survey.benchmark.name}:{survey.folders[0]}"
    more = "" if len(survey.folders) == 1 else f" --features {shlex.quote(str(survey.folders[1]))}"
    if survey.train.is_usable:
        yield f'avadclip train RECIPE --out RUN, with source = "{source}" under [data], {_networks(survey.train)}'
    if survey.test.as_partial().is_usable:
        grid = survey.test.ready[0].grid
        part = "" if survey.test.is_usable else " --partial"
        yield (
            f"avadclip evaluate CHECKPOINT --data {shlex.quote(source)}{more}{part}, "
            f"a checkpoint made on snippets of {grid.snippet_frames} frames at {grid.frame_rate_hz:g} fps"
        )
    if survey.train.is_usable and survey.test.is_usable and survey.benchmark.tables:
        numbers = ", ".join(table.removeprefix("Table ") for table in survey.benchmark.tables)
        yield f"avadclip reproduce TABLE --data {shlex.quote(source)}{more} --out DIR, with {numbers} for TABLE"
    if survey.videos:
        parents = sorted({str(path.parent) for path in survey.videos})
        grid = survey.benchmark.grid
        frames = "" if grid.snippet_frames == 16 else f" --snippet-frames {grid.snippet_frames}"
        out = shlex.quote(str(Path(survey.folders[0]) / "features"))
        yield (
            f"avadclip extract {shlex.join(parents)} --out {out} --encoders clip --crops published-10{frames}, "
            f"needed for {len(survey.videos):,} of its videos"
        )


def _networks(split: SplitSurvey) -> str:
    if split.has_sound:
        return "any network_kind"
    return 'network_kind = "visual student": not all videos have sound'


def _tables(survey: Survey) -> str:
    benchmark = survey.benchmark
    names = ", ".join(benchmark.tables)
    if not benchmark.tables:
        return "none: the paper does not use this benchmark"
    if not benchmark.is_trained_on and not survey.train.is_usable:
        return (
            f"{names}: cannot be trained, its normal training videos were never published; the cross-dataset table only"
        )
    if not (survey.train.is_usable and survey.test.is_usable):
        return f"{names}: not yet, training and test videos are needed"
    if not (survey.train.has_sound and survey.test.has_sound):
        return f"{names}: the rows without sound"
    return names
