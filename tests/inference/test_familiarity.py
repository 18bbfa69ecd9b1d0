from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avadclip.config import NetworkConfig
from avadclip.encoders.base import Encoders
from avadclip.encoders.load import load_encoders
from avadclip.errors import CheckpointError, FeatureError
from avadclip.events import Thresholds
from avadclip.features.extract import extract_features, provenance_of
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader, load_checkpoint, save_checkpoint
from avadclip.inference.detector import load_detector
from avadclip.inference.familiarity import Familiarity
from avadclip.inference.networks import build_network
from avadclip.media.probe import MediaFile
from avadclip.timeline import SnippetGrid

torch.set_num_threads(1)

WIDTH = 12


def video(rows: np.ndarray) -> SnippetFeatures:
    return SnippetFeatures(np.asarray(rows, np.float32)[None], None, 1.0, provenance=None)


def footage(num: int, *, seed: int = 0, centre: float = 1.0) -> list[SnippetFeatures]:
    random = np.random.default_rng(seed)
    shape = np.linspace(centre, 1.0, WIDTH)
    return [video(shape + 0.1 * random.normal(size=(4, WIDTH))) for _ in range(num)]


def test_the_distance_by_hand() -> None:
    known = Familiarity(
        mean=np.array([0.6, 0.0, 0.0, 0.8], np.float32),
        deviation=np.array([0.1, 0.5, 1.0, 0.2], np.float32),
        directions=np.array([[0.0, 0.0, 1.0, 0.0]], np.float32),
        limit=1.0,
    )
    # (3, 0, 0, 4) is the mean at unit length. (0, 0, 2, 0): z = (-6, 0, 1, -4); without the third, (36 + 16) / 4 = 13.
    assert known.distance(video([[3, 0, 0, 4]])) == pytest.approx(0.0, abs=1e-6)
    assert known.distance(video([[0, 0, 2, 0]])) == pytest.approx(np.sqrt(13.0))
    assert known.distance(video([[3, 0, 0, 4], [0, 0, 2, 0]])) == pytest.approx(np.sqrt(13.0) / 2)
    assert known.notes(video([[3, 0, 0, 4]])) == []
    (note,) = known.notes(video([[0, 0, 2, 0]]))
    assert "distance 3.61, limit 1.00" in note


def test_the_statistics_against_an_eigendecomposition() -> None:
    videos = footage(20)
    fitted = Familiarity.fit(videos, [str(number // 2) for number in range(20)])
    rows = np.concatenate([each.visual[0] for each in videos]).astype(float)
    rows /= np.sqrt((rows**2).sum(axis=1))[:, None]
    spread = np.sqrt(rows.var(axis=0))
    spread = spread + 0.1 * spread.mean()
    standard = (rows - rows.mean(axis=0)) / spread
    _, vectors = np.linalg.eigh(standard.T @ standard)
    minor = vectors[:, :-3]  # a quarter of 12 channels are directions; the others count
    other = video(footage(1, seed=5)[0].visual[0, :1])
    unit = other.visual[0, 0] / np.linalg.norm(other.visual[0, 0])
    rest = minor.T @ ((unit - rows.mean(axis=0)) / spread)
    assert fitted.directions.shape == (3, WIDTH)
    assert fitted.distance(other) == pytest.approx(np.sqrt((rest**2).sum() / WIDTH), rel=1e-4)


def test_a_group_is_never_in_the_statistics_that_its_limit_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [f"recording {number % 7}" for number in range(28)]
    videos = footage(28)
    group_of = {id(each): group for each, group in zip(videos, groups, strict=True)}
    fitted: dict[int, set[str]] = {}
    measured = []
    describe, distance = Familiarity._describe.__func__, Familiarity.distance

    def watched_describe(cls: type[Familiarity], part: list[SnippetFeatures]) -> Familiarity:
        made = describe(cls, part)
        fitted[id(made.mean)] = {group_of[id(each)] for each in part}
        return made

    def watched_distance(self: Familiarity, each: SnippetFeatures) -> float:
        assert group_of[id(each)] not in fitted[id(self.mean)]
        found = distance(self, each)
        measured.append(found)
        return found

    monkeypatch.setattr(Familiarity, "_describe", classmethod(watched_describe))
    monkeypatch.setattr(Familiarity, "distance", watched_distance)
    whole = Familiarity.fit(videos, groups)
    assert fitted[id(whole.mean)] == set(groups)
    assert len(measured) == 28
    assert sum(each > whole.limit for each in measured) == 2  # 5 % of 28, rounded up


def test_other_footage_is_told_and_like_footage_is_not() -> None:
    fitted = Familiarity.fit(footage(60), [str(number) for number in range(60)])
    like, other = footage(60, seed=1), footage(10, seed=2, centre=-1.0)
    assert sum(bool(fitted.notes(each)) for each in like) <= 9
    assert all(fitted.notes(each) for each in other)


def test_one_recording_has_no_limit() -> None:
    with pytest.raises(FeatureError, match="1 recording, needed 2"):
        Familiarity.fit(footage(3), ["a", "a", "a"])


@pytest.fixture(scope="module")
def lite() -> Encoders:
    return load_encoders("lite-1")._replace(tagger=None)


def alarming(lite: Encoders, familiarity: Familiarity | None) -> Checkpoint:
    """An untrained network whose every score is an alert."""
    dims = {"visual_dim": lite.visual.dim, "audio_dim": 0 if lite.audio is None else lite.audio.dim}
    network = NetworkConfig(embed_dim=8)
    header = CheckpointHeader(
        name="alarming",
        classes=("normal", "fighting"),
        encoders="lite-1",
        features=provenance_of(lite, SnippetGrid()),
        **dims,
        network=network,
        thresholds={"visual student": Thresholds(0.0, 0.0)},
        selection={"visual student": "last"},
        card="",
    )
    torch.manual_seed(0)
    student = build_network("visual student", **dims, classes=header.classes, network=network).frozen()
    return Checkpoint(header, {"visual student": student}, familiarity)


@pytest.fixture
def known(lite: Encoders, short_clip: Path) -> Familiarity:
    """Footage like the short clip: it and copies with a little noise."""
    seen = extract_features(MediaFile.open(short_clip), lite, grid=SnippetGrid())
    random = np.random.default_rng(0)
    size = 0.2 * seen.visual.std()
    near = [replace(seen, visual=seen.visual + size * random.random(seen.visual.shape, np.float32)) for _ in range(6)]
    return Familiarity.fit([seen, *near], [str(number) for number in range(7)])


def test_a_checkpoint_keeps_the_statistics(tmp_path: Path, lite: Encoders, known: Familiarity) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, alarming(lite, known))
    found = load_checkpoint(path).familiarity
    assert found is not None
    for name, tensor in known.tensors().items():
        assert torch.equal(found.tensors()[name], tensor), name
    save_checkpoint(path, alarming(lite, None))
    assert load_checkpoint(path).familiarity is None
    assert load_checkpoint("starter-1").familiarity is None


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("mean", np.full(2656, np.nan, np.float32), "not finite"),
        ("mean", np.zeros(7, np.float32), r"\[7\]"),
        ("deviation", np.zeros(2656, np.float32), "not above 0"),
        ("directions", np.zeros(2656, np.float32), "directions"),
        ("limit", float("inf"), "not finite"),
    ],
)
def test_damaged_statistics_are_refused(
    tmp_path: Path, lite: Encoders, known: Familiarity, *, part: str, value: object, said: str
) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, alarming(lite, replace(known, **{part: value})))
    with pytest.raises(CheckpointError, match=said) as refused:
        load_checkpoint(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_in_unlike_footage_no_event_is_an_alert(
    tmp_path: Path, lite: Encoders, known: Familiarity, short_clip: Path, sample_videos: tuple[Path, Path]
) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, alarming(lite, known))
    detector = load_detector(path, sounds=False)
    like, unlike = detector.detect(short_clip), detector.detect(sample_videos[1])
    assert {event.severity for event in like.events} == {"alert"}
    assert not [note for note in like.notes if "unlike" in note]
    assert {event.severity for event in unlike.events} == {"detection"}
    assert unlike.thresholds == Thresholds(0.0, None)
    assert len([note for note in unlike.notes if note.startswith("unlike the footage this model was trained on")]) == 1
    save_checkpoint(path, alarming(lite, None))
    silent = load_detector(path, sounds=False).detect(sample_videos[1])
    assert {event.severity for event in silent.events} == {"alert"}
    np.testing.assert_array_equal(silent.track.scores, unlike.track.scores)
