"""Loading of the published benchmarks as bags."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from avadclip.data.bags import Bag, Dataset, Interval, Span
from avadclip.data.published.cctv_fights import CCTV_FIGHTS
from avadclip.data.published.definition import Annotations, Benchmark
from avadclip.data.published.inspection import ReadyVideo
from avadclip.data.published.survey import Survey, survey_benchmark
from avadclip.data.published.ucf_crime import UCF_CRIME
from avadclip.data.published.xd_violence import XD_VIOLENCE
from avadclip.data.splits import group_of, hold_out
from avadclip.errors import DataError
from avadclip.labels import NORMAL

BENCHMARKS = {each.name: each for each in (XD_VIOLENCE, CCTV_FIGHTS, UCF_CRIME)}


def load_benchmark(benchmark: Benchmark, folders: Sequence[Path], *, seed: int = 0, partial: bool = False) -> Dataset:
    """Load a benchmark's videos with lazily read features.

    Every crop of a training video is a bag of its own, as in the published lists. About a tenth of the training videos
    is held out by film, and has one bag each, of the crop that the test uses. A split that lacks any video, or has one
    whose files do not fit, is left out whole, and Dataset.bags_of says why.

    Args:
        benchmark: one of BENCHMARKS.
        folders: with its lists, annotations and features, at any depth.
        seed: of the hold-out.
        partial: use the test videos that are ready, even if others are not.

    Raises:
        DataError: neither split is usable.
    """
    survey = survey_benchmark(benchmark, folders)
    if partial:
        survey = replace(survey, test=survey.test.as_partial())
    splits = (survey.train, survey.test)
    usable = [split for split in splits if split.is_usable]
    why_empty = {str(split.name): split.why_not for split in splits if not split.is_usable}
    if "test" in why_empty and survey.test.as_partial().is_usable:
        why_empty["test"] += f"; `evaluate --partial` measures the {len(survey.test.ready)} videos that are ready"
    if not usable:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in why_empty.items())
        raise DataError(f"{benchmark.title} in {folders[0]} is unusable: {reasons}")
    if "train" in why_empty:
        why_empty["validation"] = f"it is a part of the training videos, and {why_empty['train']}"
    train, validation = _train(survey, seed) if survey.train.is_usable else ((), ())
    return Dataset(
        name=benchmark.name,
        classes=benchmark.classes,
        grid=usable[0].ready[0].grid,
        train=train,
        validation=validation,
        test=tuple(_test(survey)) if survey.test.is_usable else (),
        notes=(*_notes(survey), *benchmark.caveats),
        why_empty=why_empty,
        normal_has_legacy_truth=benchmark.normal_has_legacy_truth,
    )


def _train(survey: Survey, seed: int) -> tuple[tuple[Bag, ...], tuple[Bag, ...]]:
    """Bags of training crops, and one bag per held-out video."""
    tested = survey.test.crops[0] if survey.test.document else survey.train.crops[0]
    centres = [
        _bag(video, survey.benchmark, tested if tested in video.crops else min(video.crops))
        for video in survey.train.ready
    ]
    _, held_out = hold_out(centres, seed=seed)
    groups = {bag.group for bag in held_out}
    kept = [
        _bag(video, survey.benchmark, crop, name=f"{video.listed.name}__{crop}")
        for video in survey.train.ready
        if group_of(video.listed.name) not in groups
        for crop in video.crops
    ]
    return tuple(kept), held_out


def _test(survey: Survey) -> Iterable[Bag]:
    assert survey.annotations is not None, "a test split without annotations is not usable"
    for video in survey.test.ready:
        intervals, spans = _times(video, survey.annotations)
        yield _bag(video, survey.benchmark, min(video.crops), intervals=intervals, spans=spans)


def _bag(
    video: ReadyVideo,
    benchmark: Benchmark,
    crop: int,
    *,
    name: str | None = None,
    intervals: tuple[Interval, ...] | None = None,
    spans: tuple[Span, ...] | None = None,
) -> Bag:
    targets = np.zeros(len(benchmark.classes), dtype=np.float32)
    targets[[benchmark.classes.index(label) for label in video.listed.labels]] = 1.0
    return Bag(name or video.listed.name, group_of(video.listed.name), video.crops[crop], targets, intervals, spans)


def _times(video: ReadyVideo, annotations: Annotations) -> tuple[tuple[Interval, ...], tuple[Span, ...] | None]:
    """Frames to seconds. Whole frames survive the way back: a double holds them to a billionth of a frame."""
    name, rate = video.listed.name, video.frame_rate_hz
    intervals = tuple(
        Interval(label, span.start / rate, span.end / rate) for label, span in annotations.intervals.get(name, ())
    )
    if annotations.spans is None:
        return intervals, None
    return intervals, tuple(Span(start / rate, end / rate) for start, end in annotations.spans.get(name, ()))


def _notes(survey: Survey) -> Iterable[str]:
    """Recognised conventions and decisions, one line each."""
    for split in (survey.train, survey.test):
        if not split.is_usable:
            yield f"{split.name} split skipped: {split.why_not}"
    if survey.test.is_usable:
        crop = "" if survey.test.ready[0].provenance else f", crop {survey.test.crops[0]}"
        if survey.test.left_out:
            yield _partial_words(survey)
        yield f"test videos: frames after the last whole snippet are dropped (tail `drop`){crop}"
    if survey.lengths is not None:
        yield f"lengths: {length_words(survey)}"


def _partial_words(survey: Survey) -> str:
    """Which share of the test is measured, and why the rest is not."""
    test, num_published = survey.test, survey.benchmark.num_videos[1]
    num_anomalous = sum(video.listed.labels != (NORMAL,) for video in test.ready)
    kinds = Counter(problem.kind for problem in test.left_out)
    reasons = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return (
        f"partial: {len(test.ready)} of the {num_published:,} published test videos "
        f"({100 * len(test.ready) / num_published:.1f} %), {num_anomalous} of them anomalous; left out: {reasons}; "
        "not comparable with figures of the whole test"
    )


def length_words(survey: Survey) -> str:
    """Describe the recognised length convention and its exceptions."""
    assert survey.lengths is not None
    formula = {"clip": "floor(F / {n})", "i3d": "floor((F - 1) / {n})"}.get(survey.lengths.convention, "either formula")
    off = len(survey.lengths.off_by_one)
    return (
        f"convention `{survey.lengths.convention}`, "
        f"{formula.format(n=survey.benchmark.grid.snippet_frames)} snippets of F frames, in "
        f"{survey.lengths.num_known - off - len(survey.lengths.wrong)} of {survey.lengths.num_known} test videos"
        + (f"; {off} have one snippet more or less" if off else "")
    )
