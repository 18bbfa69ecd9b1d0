"""Survey of a benchmark's files in a folder; only headers of feature files are read.

`load_dataset` and `avadclip data check` share it, so that the check's result agrees with what can run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from avadclip.data.published.annotations import LENGTH_TOLERANCE, Lengths, read_frame_counts, recognise_lengths
from avadclip.data.published.definition import Annotations, Benchmark, ListedVideo
from avadclip.data.published.inspection import FileProblem, ProblemError, ReadyVideo, SplitName, inspect_video
from avadclip.data.published.inventory import Inventory, VideoFiles, find_documents, take_inventory
from avadclip.errors import DataError
from avadclip.labels import NORMAL

FRAME_COUNTS = "test_frame_counts.txt"
DEFAULT_TEST_CROP = 0  # the centre


@dataclass(frozen=True)
class SplitSurvey:
    """One list of videos, and the files found for it."""

    name: SplitName
    document: Path | None
    """The list; None if it is missing."""
    listed: tuple[ListedVideo, ...]
    crops: tuple[int, ...]
    """Crops that every video needs."""
    ready: tuple[ReadyVideo, ...]
    problems: tuple[FileProblem, ...]
    lacking: str = ""
    """Missing requirement of all its videos, as a sentence."""
    left_out: tuple[FileProblem, ...] = ()
    """Problems of videos that a part of the split does without."""

    def as_partial(self) -> "SplitSurvey":
        """Its ready videos as the whole split; the same where none is ready."""
        return replace(self, problems=(), left_out=self.problems) if self.ready else self

    @property
    def is_usable(self) -> bool:
        """Whether all videos are ready; an incomplete split is not used."""
        return not self.why_not

    @property
    def has_sound(self) -> bool:
        """Whether every video has a sound track."""
        return bool(self.ready) and all(video.widths[1] for video in self.ready)

    @property
    def why_not(self) -> str:
        """Reason in one line; '' if the split is usable."""
        if self.document is None:
            return "its list is missing"
        if not self.ready and all(problem.kind == "missing" for problem in self.problems):
            return f"there are no features of its {len(self.listed):,} videos"
        if not self.problems:
            return self.lacking
        more = len(self.problems) - 1
        return self.problems[0].message + (f" ({more} more: `avadclip data check` lists them)" if more else "")


@dataclass(frozen=True)
class Survey:
    """Findings of a folder."""

    benchmark: Benchmark
    folders: tuple[Path, ...]
    documents: Mapping[str, Path]
    """Lists, annotations and frame counts, by file name."""
    train: SplitSurvey
    test: SplitSurvey
    annotations: Annotations | None
    lengths: Lengths | None
    """None without frame counts."""
    extra: tuple[Path, ...]
    """Feature and video files that are in no list."""
    videos: tuple[Path, ...]
    """Video files of listed videos without features, for `avadclip extract`."""


def survey_benchmark(benchmark: Benchmark, folders: Sequence[Path]) -> Survey:
    """Survey all files below the folders.

    Raises:
        DataError: an unusable folder, list or annotation file.
    """
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; give the one with the lists and features of {benchmark.title}")
    alternatives = (benchmark.train_lists, benchmark.test_lists, *benchmark.annotation_files, (FRAME_COUNTS,))
    documents = find_documents(folders, {name for names in alternatives for name in names})
    train_list, test_list, *annotation_files, counts = (_first(documents, names) for names in alternatives)
    train_videos = () if train_list is None else tuple(benchmark.read_list(train_list))
    test_videos = () if test_list is None else tuple(benchmark.read_list(test_list))
    both = {video.name for video in train_videos} & {video.name for video in test_videos}
    if both:
        raise DataError(f"{min(both)} is in {train_list} and in {test_list}; download the lists again")
    known = [path for path in annotation_files if path is not None]
    annotations = benchmark.read_annotations(known) if len(known) == len(annotation_files) else None
    inventory = take_inventory(folders, {video.name for video in (*train_videos, *test_videos)})
    train = _survey_split("train", train_list, train_videos, inventory, benchmark)
    test = _survey_split("test", test_list, test_videos, inventory, benchmark)
    test, lengths = _check_lengths(test, {} if counts is None else read_frame_counts(counts))
    test = _check_annotations(test, annotations, benchmark)
    train, test = _check_alike(train, test)
    found = inventory.of_video.values()
    return Survey(
        benchmark=benchmark,
        folders=tuple(folders),
        documents=documents,
        train=train,
        test=test,
        annotations=annotations,
        lengths=lengths,
        extra=inventory.extra,
        videos=tuple(files.video for files in found if files.video is not None and not files.has_features),
    )


def _first(documents: Mapping[str, Path], names: Sequence[str]) -> Path | None:
    return next((documents[name] for name in names if name in documents), None)


def _survey_split(
    name: SplitName,
    document: Path | None,
    listed: tuple[ListedVideo, ...],
    inventory: Inventory,
    benchmark: Benchmark,
) -> SplitSurvey:
    files = [inventory.of_video.get(video.name, VideoFiles()) for video in listed]
    crops = sorted({crop for video in listed for crop in video.crops})
    if not crops:
        seen = {crop for each in files for crop in each.crops} if name == "train" else set()
        crops = sorted(seen) or [DEFAULT_TEST_CROP]
    needs_sound = any(each.audio is not None for each in files)
    ready, problems = [], []
    for video, each in zip(listed, files, strict=True):
        try:
            ready.append(inspect_video(video, each, crops, name, needs_sound=needs_sound, benchmark=benchmark))
        except ProblemError as found:
            problems.append(FileProblem(video.name, found.kind, str(found)))
    return SplitSurvey(name, document, listed, tuple(crops), tuple(ready), tuple(problems))


def _check_lengths(test: SplitSurvey, frame_counts: Mapping[str, int]) -> tuple[SplitSurvey, Lengths | None]:
    if not test.ready or not frame_counts:
        return test, None
    grid = test.ready[0].grid
    lengths = recognise_lengths(
        {video.listed.name: video.num_snippets for video in test.ready},
        # Features extracted at another frame rate have their own number of frames.
        {
            video.listed.name: round(frame_counts[video.listed.name] * grid.frame_rate_hz / video.frame_rate_hz)
            for video in test.ready
            if video.listed.name in frame_counts
        },
        snippet_frames=grid.snippet_frames,
    )
    found = {video.listed.name: video.num_snippets for video in test.ready}
    problems = []
    for name, wanted in lengths.wrong.items():
        fits = [other for other, num in lengths.wrong.items() if abs(num - found[name]) <= LENGTH_TOLERANCE]
        advice = f"as {fits[0]} should have: are their names swapped?" if fits else "check that they are of this video"
        problems.append(
            FileProblem(
                name,
                "length",
                f"{name} has {found[name]} snippets, its {frame_counts[name]} frames make {wanted}; {advice}",
            )
        )
    return _without(test, problems), lengths


def _check_annotations(test: SplitSurvey, annotations: Annotations | None, benchmark: Benchmark) -> SplitSurvey:
    """Check that anomalous videos have times, others have none, and no event begins after its video's end."""
    if not test.listed:
        return test
    if annotations is None:
        needed = " and ".join(names[0] for names in benchmark.annotation_files)
        return replace(test, lacking=f"it needs {needed}, with the times of its events")
    strangers = annotations.intervals.keys() - {video.name for video in test.listed}
    if strangers:
        raise DataError(f"{min(strangers)} is annotated, but not in {test.document}; download both again")
    problems = []
    for video in test.listed:
        annotated = video.name in annotations.intervals
        if annotated == (video.labels == (NORMAL,)):
            found = "is normal, but has anomalous times" if annotated else "is anomalous, but has no times"
            problems.append(
                FileProblem(video.name, "annotation", f"{video.name} {found}; download the annotations again")
            )
    for ready in test.ready:
        name, end = ready.listed.name, (ready.num_snippets + LENGTH_TOLERANCE) * ready.grid.snippet_seconds
        last = max((span.start for _, span in annotations.intervals.get(name, ())), default=0)
        if last / ready.frame_rate_hz >= end:
            problems.append(
                FileProblem(
                    name,
                    "length",
                    f"{name} has {ready.num_snippets} snippets, which end before frame {last}, where something is "
                    f"annotated; check that its features are of this video",
                )
            )
    return _without(test, problems)


def _check_alike(train: SplitSurvey, test: SplitSurvey) -> tuple[SplitSurvey, SplitSurvey]:
    """Check that all features have the encoders and options of the first."""
    ready = [*train.ready, *test.ready]
    if not ready:
        return train, test
    num_audio = next((video.widths[1] for video in ready if video.widths[1]), 0)

    def problems(split: SplitSurvey) -> list[FileProblem]:
        differences = ((video.listed.name, _difference(video, ready[0], num_audio)) for video in split.ready)
        return [
            FileProblem(
                name, "unlike", f"{name} does not fit {ready[0].listed.name}: {difference}; use one set of features"
            )
            for name, difference in differences
            if difference is not None
        ]

    return _without(train, problems(train)), _without(test, problems(test))


def _difference(video: ReadyVideo, first: ReadyVideo, num_audio: int) -> str | None:
    if video.widths[0] != first.widths[0]:
        return f"{video.widths[0]} visual channels, needed {first.widths[0]}"
    if video.widths[1] not in {0, num_audio}:
        return f"{video.widths[1]} audio channels, needed {num_audio}"
    if video.provenance is None or first.provenance is None:
        return None if video.provenance is first.provenance else "one is published, the other extracted"
    return video.provenance.difference(first.provenance)


def _without(split: SplitSurvey, problems: Sequence[FileProblem]) -> SplitSurvey:
    """Add problems to a split; their videos are no longer ready."""
    broken = {problem.video for problem in problems}
    ready = tuple(video for video in split.ready if video.listed.name not in broken)
    return replace(split, ready=ready, problems=(*split.problems, *problems))
