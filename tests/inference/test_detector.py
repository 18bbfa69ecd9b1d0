import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import avadclip.inference.detector
from avadclip.config import NetworkConfig
from avadclip.encoders.base import Encoders, Identity
from avadclip.encoders.load import EncoderOptions, load_encoders
from avadclip.encoders.wav2clip import Wav2Clip, Wav2ClipEncoder
from avadclip.errors import AvadclipError, CheckpointError, ConfigError, MediaError, WeightsError
from avadclip.events import EventRules, Thresholds
from avadclip.features.extract import extract_features, provenance_of
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader, load_checkpoint, save_checkpoint
from avadclip.inference.detector import Detection, Detector, load_detector, obtain_weights
from avadclip.inference.networks import BOTH_STUDENTS, STUDENTS, build_network
from avadclip.inference.scorers import TrainedScorer, Verdict
from avadclip.inference.scoring import SnippetScores, score_features
from avadclip.model.either import BothStudents
from avadclip.report.exports import to_document
from avadclip.timeline import SnippetGrid

torch.set_num_threads(1)

GRID = SnippetGrid()
CLASSES = ("normal", "fighting", "riot")


class Brightness:
    """How bright the first frame of a snippet is, 0 to 1. See base.VisualEncoder."""

    name = "brightness"
    dim = 1
    frame_offsets: tuple[int, ...] = (0,)
    frame_size: tuple[int, int] | None = (8, 8)
    num_crops = 1
    snippets_per_batch = 3

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        return frame

    def encode(self, frames: list) -> np.ndarray:
        return np.array([[frame.mean() / 255] for frame in frames], np.float32)[None]

    def identity(self) -> Identity:
        return {"name": self.name, "version": 1}


class Loudness:
    """Mean square of the window. See base.AudioEncoder."""

    name = "loudness"
    dim = 1
    reads_once = False
    window_seconds = 0.5

    def encode_recording(self, read_windows: Callable[[], Iterator[np.ndarray]]) -> np.ndarray:
        return np.concatenate([np.square(batch).mean(axis=1, keepdims=True) for batch in read_windows()])

    def identity(self) -> Identity:
        return {"name": self.name, "version": 1}


FAKE = Encoders("fake", Brightness(), Loudness(), text=None)


class BrightIsBad:
    """The brighter the worse; without sound a little less. See scorers.Scorer."""

    name = "bright"
    classes = CLASSES

    def judge(self, features: SnippetFeatures) -> Verdict:
        score = features.visual[0, :, 0]
        riot = score > 0.75  # the brightest are a riot, the others a fight
        probabilities = np.stack([1 - score, score * ~riot, score * riot], axis=1)
        seen = SnippetScores(score - np.float32(0.125), probabilities)
        heard = features.has_usable_sound
        return Verdict(
            network="teacher" if heard else "visual student",
            modality="audio-visual" if heard else "visual",
            reason="made up",
            scores=SnippetScores(score, probabilities),
            visual_scores=seen if heard else None,
            audio_scores=None,
            thresholds=Thresholds(detection=0.5, alert=0.9),
        )


def write_clip(path: Path, levels: list[float], *, sound: str | None = "tone", num_frames: int | None = None) -> Path:
    """One brightness per snippet of 16 frames at 24 fps; sound is a tone, silence, or missing."""
    num_frames = 16 * len(levels) if num_frames is None else num_frames
    with av.open(str(path), "w") as container:
        picture = container.add_stream("ffv1", rate=24)
        picture.width, picture.height, picture.pix_fmt = 16, 16, "bgr0"
        track = container.add_stream("pcm_s16le", rate=16_000, layout="mono") if sound else None
        for i in range(num_frames):
            frame = np.full((16, 16, 3), round(255 * levels[i // 16]), np.uint8)
            container.mux(picture.encode(av.VideoFrame.from_ndarray(frame).reformat(format="bgr0")))
        container.mux(picture.encode(None))
        if track is not None:
            time = np.arange(num_frames * 16_000 // 24) / 16_000
            samples = (9_000 * (sound == "tone") * np.sin(2 * np.pi * 440 * time)).astype(np.int16)[None]
            block = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            block.sample_rate = 16_000
            container.mux(track.encode(block))
            container.mux(track.encode(None))
    return path


def save_tiny(path: Path, encoders: Encoders, *, dim: int = 8, kinds: tuple[str, ...] = ("teacher", "visual student")):
    """An untrained checkpoint for these encoders."""
    config = NetworkConfig(embed_dim=dim)
    dims = {"visual_dim": encoders.visual.dim, "audio_dim": encoders.audio.dim}
    header = CheckpointHeader(
        name="tiny",
        classes=CLASSES,
        encoders=encoders.name,
        features=provenance_of(encoders, GRID),
        **dims,
        network=config,
        thresholds={kind: Thresholds(0.2 + 0.1 * number, None) for number, kind in enumerate(kinds)},
        selection=dict.fromkeys(kinds, "last"),
        card="",
    )
    torch.manual_seed(0)
    networks = {}
    for kind in kinds:
        networks[kind] = build_network(kind, **dims, classes=CLASSES, network=config).frozen()
    save_checkpoint(path, Checkpoint(header, networks))
    return path


@pytest.fixture
def detector() -> Detector:
    return Detector(BrightIsBad(), FAKE, grid=GRID)


@pytest.fixture(scope="module")
def lite() -> Encoders:
    return load_encoders("lite")


def assert_same(found: Detection, expected: Detection) -> None:
    for left, right in ((found.track, expected.track), (found.visual_track, expected.visual_track)):
        assert (left is None) == (right is None)
        if left is not None:
            np.testing.assert_allclose(left.scores, right.scores, rtol=0, atol=1e-6)
            np.testing.assert_allclose(left.class_probabilities, right.class_probabilities, rtol=0, atol=1e-6)
    assert found.events == expected.events
    assert (found.network, found.reason, found.notes) == (expected.network, expected.reason, expected.notes)


def test_events_are_where_the_video_is_bad(tmp_path: Path, detector: Detector) -> None:
    path = write_clip(tmp_path / "yard.mkv", [0.0, 0.6, 0.7, 0.0, 0.0, 0.0, 1.0, 0.0])
    found = detector.detect(path)
    assert found.source == str(path)
    assert found.track.scores.shape == (8,)
    assert found.track.end_seconds == pytest.approx(8 * 2 / 3, abs=0.01)
    first, second = found.events
    assert (first.start, first.end) == pytest.approx((2 / 3, 2.0))
    assert (second.start, second.end) == pytest.approx((4.0, 14 / 3))
    assert (first.label, second.label) == ("fighting", "riot")
    assert (first.severity, second.severity) == ("detection", "alert")
    assert first.score == pytest.approx(0.7, abs=0.01)
    assert first.id != second.id
    # The teacher says an eighth more than the student that only sees, on every snippet.
    assert first.sound_gain == pytest.approx(0.125)
    assert first.picture_gain is None
    assert {(e.source, e.model, e.modality, e.threshold) for e in found.events} == {
        (str(path), "bright", "audio-visual", 0.5)
    }


def test_events_of_what_does_not_name_them_are_anomalies_and_the_result_says_so(tmp_path: Path) -> None:
    class Nameless(BrightIsBad):
        def judge(self, features: SnippetFeatures) -> Verdict:
            verdict = super().judge(features)
            unnamed = verdict.scores._replace(class_probabilities=None)
            return verdict._replace(network="deep-mil", scores=unnamed, visual_scores=None)

    path = write_clip(tmp_path / "yard.mkv", [0.0, 0.6, 0.7, 0.0, 0.0, 0.0, 1.0, 0.0])
    found = Detector(Nameless(), FAKE, grid=GRID).detect(path)
    assert [event.label for event in found.events] == ["anomaly", "anomaly"]
    assert found.track.classes == ("normal", "anomaly")
    np.testing.assert_array_equal(found.track.class_probabilities[:, 1], found.track.scores)
    assert "deep-mil finds events but does not name them: every event is called `anomaly`" in found.notes


def test_rules_change_the_events_and_nothing_else(tmp_path: Path, detector: Detector) -> None:
    path = write_clip(tmp_path / "yard.mkv", [0.0, 0.6, 0.7, 0.0, 0.0, 0.0, 1.0, 0.0])
    plain = detector.detect(path)
    higher = detector.detect(path, rules=EventRules(threshold=0.8))
    assert [event.label for event in higher.events] == ["riot"]
    assert higher.events[0].severity == "alert"
    assert higher.thresholds == Thresholds(0.8, 0.9)
    assert [event.label for event in detector.detect(path, rules=EventRules(min_seconds=1.0)).events] == ["fighting"]
    merged = detector.detect(path, rules=EventRules(merge_gap_seconds=3.0)).events
    assert [(event.start, event.end) for event in merged] == [pytest.approx((2 / 3, 14 / 3))]
    np.testing.assert_allclose(higher.track.scores, plain.track.scores, rtol=0, atol=1e-6)


def test_a_quiet_video_has_no_events(tmp_path: Path, detector: Detector) -> None:
    assert detector.detect(write_clip(tmp_path / "quiet.mkv", [0.1] * 3)).events == ()


def test_the_last_snippets_event_lasts_to_the_end_of_the_video(tmp_path: Path, detector: Detector) -> None:
    found = detector.detect(write_clip(tmp_path / "end.mkv", [0.0, 1.0, 1.0], num_frames=40))
    assert len(found.track.scores) == 2
    assert found.events[0].end == pytest.approx(40 / 24, abs=0.01)


@pytest.mark.parametrize("num_frames", [1, 15])
def test_less_than_a_snippet_is_one_line(tmp_path: Path, detector: Detector, num_frames: int) -> None:
    path = write_clip(tmp_path / "short.mkv", [0.0], num_frames=num_frames)
    with pytest.raises(MediaError, match="less than one snippet") as refused:
        detector.detect(path)
    assert "\n" not in str(refused.value)


def test_unreadable_files_are_one_line(tmp_path: Path, detector: Detector) -> None:
    whole = write_clip(tmp_path / "whole.mkv", [0.0, 1.0]).read_bytes()
    contents = {"empty.mp4": b"", "text.mp4": b"hello", "cut.mkv": whole[:200]}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name in (*contents, "missing.mp4", "."):
        with pytest.raises(AvadclipError) as refused:
            detector.detect(tmp_path / name)
        assert "\n" not in str(refused.value)


class ConstantScorer:
    """A scorer that needs no network. See scorers.Scorer."""

    name = "constant"
    classes = CLASSES

    def judge(self, features: SnippetFeatures) -> Verdict:
        scores = SnippetScores(np.zeros(len(features), np.float32), None)
        return Verdict("teacher", "audio-visual", "made up", scores, None, None, Thresholds(0.5, None))


def test_detection_with_lite_opens_a_file_twice(short_clip: Path, sample_videos, lite: Encoders, opened_files) -> None:
    detector = Detector(ConstantScorer(), lite, grid=GRID)
    detector.detect(short_clip)  # its facts; picture and sound
    assert opened_files == [short_clip.name] * 2
    opened_files.clear()
    detector.detect(sample_videos[1])  # without sound
    assert opened_files == [sample_videos[1].name] * 2


def test_detection_with_clip_opens_a_file_four_times(short_clip: Path, sample_videos, opened_files) -> None:
    sound = Wav2ClipEncoder(Wav2Clip())
    detector = Detector(ConstantScorer(), Encoders("clip", Brightness(), sound, text=None), grid=GRID)
    detector.detect(short_clip)  # its facts; the picture; twice the sound, which is normalised over the recording
    assert opened_files == [short_clip.name] * 4
    opened_files.clear()
    detector.detect(sample_videos[1])  # without sound
    assert opened_files == [sample_videos[1].name] * 2


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="Linux alone lists the open files of a process")
def test_no_file_stays_open(tmp_path: Path, detector: Detector) -> None:
    video = write_clip(tmp_path / "clip.mkv", [0.0, 1.0])
    short = write_clip(tmp_path / "short.mkv", [0.0], num_frames=15)
    detector.detect(video)
    with pytest.raises(MediaError):
        detector.detect(short)
    still_open = {entry.readlink() for entry in Path("/proc/self/fd").iterdir() if entry.exists()}
    assert not {video, short} & still_open


def test_progress_goes_up_to_the_length_of_the_video(tmp_path: Path, detector: Detector) -> None:
    seen: list[tuple[float, float]] = []
    path = write_clip(tmp_path / "clip.mkv", [0.5] * 7)
    detector.detect(path, on_progress=lambda done, total: seen.append((round(done, 2), round(total, 2))))
    assert seen == [(2.0, 4.67), (4.0, 4.67), (4.67, 4.67)]


@pytest.mark.parametrize(
    ("sound", "network", "modality", "reason"),
    [
        ("tone", "teacher", "audio-visual", "the file has picture and sound"),
        ("silence", "visual student", "visual", "the sound track is silent"),
        (None, "visual student", "visual", "the file has no sound track"),
    ],
)
def test_what_the_file_holds_chooses_the_network(
    tmp_path: Path, sound: str | None, network: str, modality: str, reason: str
) -> None:
    checkpoint = load_checkpoint(save_tiny(tmp_path / "tiny.safetensors", FAKE))
    detector = Detector(TrainedScorer(checkpoint, device=torch.device("cpu")), FAKE, grid=GRID)
    path = write_clip(tmp_path / "clip.mkv", [0.1, 0.9, 0.3], sound=sound)
    found = detector.detect(path)
    assert (found.network, found.modality, found.reason) == (network, modality, reason)
    features = extract_features(path, FAKE)
    expected = score_features(checkpoint.networks[network], features)
    np.testing.assert_allclose(found.track.scores, expected.anomaly_scores, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.track.class_probabilities, expected.class_probabilities, rtol=0, atol=1e-6)
    assert found.thresholds == checkpoint.header.thresholds[network]
    assert (found.visual_track is not None) == (network == "teacher")
    assert found.encoders == {"visual": FAKE.visual.identity(), "audio": FAKE.audio.identity()}


def test_one_detector_serves_many_threads(tmp_path: Path, short_clip: Path, lite: Encoders) -> None:
    checkpoint = load_checkpoint(save_tiny(tmp_path / "tiny.safetensors", lite))
    detector = Detector(TrainedScorer(checkpoint, device=torch.device("cpu")), lite, grid=GRID)
    paths = [write_clip(tmp_path / "a.mkv", [0.8, 0.2, 0.5, 0.6], sound=None), short_clip]
    alone = {path: detector.detect(path, rules=EventRules(threshold=0.3)) for path in paths}
    together = threading.Barrier(4)

    def detect(path: Path) -> tuple[Path, Detection]:
        together.wait(timeout=60)
        return path, detector.detect(path, rules=EventRules(threshold=0.3))

    with ThreadPoolExecutor(4) as pool:
        for path, found in pool.map(detect, paths * 2):
            assert_same(found, alone[path])


def test_real_videos_with_real_encoders(tmp_path: Path, sample_videos, lite: Encoders) -> None:
    detector = load_detector(save_tiny(tmp_path / "tiny.safetensors", lite))
    with_sound, without = (detector.detect(path, rules=EventRules(threshold=0.0)) for path in sample_videos)
    assert (with_sound.network, without.network) == ("teacher", "visual student")
    assert without.reason == "the file has no sound track"
    for found in (with_sound, without):
        scores = found.track.scores
        assert len(scores) == GRID.num_snippets(found.media.duration_seconds)
        assert np.isfinite(scores).all()
        assert scores.min() >= 0.0
        assert scores.max() <= 1.0
        np.testing.assert_allclose(found.track.class_probabilities.sum(axis=1), 1.0, atol=1e-5)
        (event,) = found.events  # everything is above a threshold of 0
        assert (event.start, event.end) == pytest.approx((0.0, found.media.duration_seconds), abs=0.1)
        assert event.label in CLASSES[1:]


@pytest.fixture(scope="module")
def with_both_students(tmp_path_factory: pytest.TempPathFactory, lite: Encoders) -> Path:
    """An untrained checkpoint of all networks, whose default is both students."""
    path = save_tiny(tmp_path_factory.mktemp("both") / "tiny.safetensors", lite, kinds=("teacher", *STUDENTS))
    checkpoint = load_checkpoint(path)
    header = checkpoint.header.model_copy(
        update={
            "thresholds": {**checkpoint.header.thresholds, BOTH_STUDENTS: Thresholds(0.25, None)},
            "selection": {**checkpoint.header.selection, BOTH_STUDENTS: "last"},
            "default": BOTH_STUDENTS,
        }
    )
    both = BothStudents(*(checkpoint.networks[kind] for kind in STUDENTS))
    save_checkpoint(path, Checkpoint(header, {**checkpoint.networks, BOTH_STUDENTS: both}))
    return path


def test_a_video_with_sound_is_scored_by_the_checkpoints_default(with_both_students: Path, short_clip: Path) -> None:
    found = load_detector(with_both_students, sounds=False).detect(short_clip)
    assert (found.network, found.modality) == ("both students", "audio-visual")
    assert found.reason == "the checkpoint's default for picture and sound"
    assert found.thresholds.detection == 0.25
    seen, heard = found.visual_track.scores, found.audio_track.scores
    np.testing.assert_allclose(found.track.scores, 1 - (1 - seen) * (1 - heard), atol=1e-6)
    np.testing.assert_allclose(found.track.class_probabilities[:, 0], 1 - found.track.scores, atol=1e-6)
    (event,) = found.events
    assert event.sound_gain == pytest.approx(float((found.track.scores - seen).mean()), abs=1e-6)
    document = to_document(found, include_scores=True)
    assert (document["network"], document["reason"]) == (found.network, found.reason)
    np.testing.assert_allclose(document["scores"]["audio_student"], heard, atol=1e-6)


def test_the_network_may_be_chosen(with_both_students: Path, short_clip: Path, sample_videos) -> None:
    found = load_detector(with_both_students, sounds=False, network="teacher").detect(short_clip)
    assert (found.network, found.reason, found.thresholds.detection) == ("teacher", "it was asked for", 0.2)
    silent = load_detector(with_both_students, sounds=False, network="audio student").detect(sample_videos[1])
    assert silent.network == "visual student"
    assert silent.reason == "the file has no sound track; audio student was asked for"


def test_the_starter_model_is_the_default(short_clip: Path) -> None:
    detector = load_detector()
    found = detector.detect(short_clip)
    header = load_checkpoint("starter").header
    assert found.model == header.name == "starter"
    assert found.track.classes == ("normal", "fighting", "shooting", "explosion")
    assert found.network == header.default == "both students"
    assert found.visual_track is not None
    assert_same(detector.detect(str(short_clip)), found)
    assert found.thresholds.detection == header.thresholds[found.network].detection
    assert {kind: identity["name"] for kind, identity in found.encoders.items()} == {
        "visual": "lite",
        "audio": "yamnet",
        "sounds": "yamnet",
    }


def test_a_checkpoint_of_other_encoders_is_refused_before_any_video(tmp_path: Path, lite: Encoders) -> None:
    path = save_tiny(tmp_path / "tiny.safetensors", lite)
    checkpoint = load_checkpoint(path)
    features = checkpoint.header.features
    other = features.model_copy(update={"visual": {**features.visual, "weights_sha256": "0" * 64}})
    header = checkpoint.header.model_copy(update={"features": other})
    save_checkpoint(path, Checkpoint(header, checkpoint.networks))
    with pytest.raises(CheckpointError, match="visual encoder: weights_sha256 is") as refused:
        load_detector(path)
    message = str(refused.value)
    assert message.endswith("use --encoders lite")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"model": "starer"}, CheckpointError, "there is no checkpoint starer"),
        ({"model": "starter", "classes": ["normal", "riot"]}, ConfigError, "has classes of its own"),
        ({"model": "starter", "encoders": "resnet"}, ConfigError, "unknown encoders 'resnet'"),
        ({"model": "zero-shot"}, ConfigError, "--classes"),
        ({"model": "starter", "network": "hl-net"}, CheckpointError, "starter holds no network 'hl-net'; name one of "),
        (
            {"model": "zero-shot", "classes": ["normal", "riot"], "network": "teacher"},
            ConfigError,
            "leave out --network",
        ),
        ({"model": "zero-shot", "classes": ["riot"]}, ConfigError, "needed `normal` first"),
        ({"model": "zero-shot", "classes": ["normal", "riot"], "encoders": "lite"}, ConfigError, "--encoders clip"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(options: dict, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as refused:
        load_detector(**options)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.fixture
def in_precisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    """A checkpoint of encoders that come in several precisions, made for bf16, and what was loaded."""
    loaded: list[str] = []

    class InPrecision(Brightness):
        def __init__(self, precision: str) -> None:
            self.precision = precision

        def identity(self) -> Identity:
            return {**super().identity(), "precision": self.precision}

    def load(spec: str, options: EncoderOptions) -> Encoders:
        loaded.append(options.precision)
        return FAKE._replace(name="clip", visual=InPrecision(options.precision))

    monkeypatch.setattr(avadclip.inference.detector, "load_encoders", load)
    path = save_tiny(tmp_path / "tiny.safetensors", load("clip", EncoderOptions(precision="bf16")))
    checkpoint = load_checkpoint(path)
    header = checkpoint.header.model_copy(update={"encoder_options": EncoderOptions(precision="bf16")})
    save_checkpoint(path, Checkpoint(header, checkpoint.networks))
    loaded.clear()
    return path, loaded


def test_detection_follows_the_precision_of_the_checkpoint(in_precisions, short_clip: Path) -> None:
    path, loaded = in_precisions
    found = load_detector(path).detect(short_clip)
    assert loaded == ["bf16"]
    assert found.encoders["visual"]["precision"] == "bf16"
    assert not any("bf16" in note for note in found.notes)


def test_another_precision_is_used_when_asked_for_and_every_result_says_so(in_precisions, short_clip: Path) -> None:
    path, loaded = in_precisions
    found = load_detector(path, precision="int8").detect(short_clip)
    assert loaded == ["int8"]
    assert found.encoders["visual"]["precision"] == "int8"
    assert f"the picture is encoded in int8, {path} is made for bf16: scores may differ" in found.notes


def test_features_of_another_precision_are_still_refused(in_precisions, short_clip: Path) -> None:
    path, _ = in_precisions
    other = load_detector(path, precision="fp32")
    features = extract_features(short_clip, other.encoders)
    assert load_checkpoint(path).header.misfit(features) == "visual encoder: precision is fp32, needed bf16"


def test_weights_are_obtained_for_the_encoders_of_a_model(empty_caches: None, tmp_path: Path) -> None:
    obtain_weights("starter")
    for model, encoders in (("zero-shot", None), ("starter", "clip")):
        with pytest.raises(WeightsError, match=r"CLIP's model.safetensors or pytorch_model.bin is not on this machine"):
            obtain_weights(model, encoders=encoders)


class StubTagger:
    """Knows one sound. See base.SoundTagger."""

    name, names, default_sounds = "stub", ("Dog",), ()


@pytest.mark.parametrize(("spec", "is_named"), [("lite", False), ("clip", True)])
def test_missing_audio_weights_leave_the_picture_and_what_else_can_name_sounds(
    monkeypatch: pytest.MonkeyPatch, spec: str, is_named: bool
) -> None:
    def load(_: str, options: EncoderOptions) -> Encoders:
        if options.sound:
            raise WeightsError("its audio weights are missing")
        return Encoders(spec, Brightness(), None, FakeText())

    monkeypatch.setattr(avadclip.inference.detector, "load_encoders", load)
    monkeypatch.setattr(avadclip.inference.detector, "load_tagger", StubTagger)
    detector = load_detector("zero-shot", encoders=spec, classes=("normal", "dog"))
    assert detector.notes == ("scored by picture alone: its audio weights are missing",)
    assert (detector.encoders.tagger is not None) == is_named


class FakeText:
    """One axis per phrase. See base.TextEncoder."""

    def encode_words(self, phrases: Iterator[str]) -> np.ndarray:
        return np.eye(len(list(phrases)), 4, dtype=np.float32)


def test_without_the_tagger_the_notes_say_why_no_sound_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise WeightsError("no network")

    monkeypatch.setattr(avadclip.inference.detector, "load_tagger", fail)
    detector = load_detector("starter-1")
    assert detector.notes == ("sounds are not named: no network",)
    assert detector.encoders.audio.name == "log-mel"
    assert load_detector("starter-1", sounds=False).notes == ()


def test_still_footage_is_skipped_where_asked_for_and_every_result_says_so(short_clip: Path) -> None:
    full, skipping = load_detector("starter", sounds=False), load_detector("starter", sounds=False, skip_still=True)
    found = skipping.detect(short_clip)
    notes = " ".join(found.notes)  # the video is shorter than the calibration
    assert "still footage skipped: 100% of the frames encoded" in notes
    assert found.encoders["visual"] == {**full.encoders.visual.identity(), "skip_still": 1}
    assert found.track.scores == pytest.approx(full.detect(short_clip).track.scores)
    misfit = load_checkpoint("starter").header.misfit(extract_features(short_clip, skipping.encoders))
    assert misfit == "visual encoder: skip_still is 1, needed None"
