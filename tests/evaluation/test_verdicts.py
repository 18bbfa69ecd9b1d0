import dataclasses

import numpy as np
import pytest

import avadclip.evaluation.verdicts
from avadclip.config import NetworkConfig
from avadclip.data.bags import Bag
from avadclip.data.verdicts import VerdictRow
from avadclip.errors import DataError
from avadclip.evaluation.verdicts import (
    JudgedClip,
    Verdicts,
    calibrate_by_verdicts,
    clip_of,
    count_judged,
    describe,
    divide,
    threshold_keeping,
)
from avadclip.events import Thresholds
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader
from avadclip.inference.networks import build_network
from avadclip.inference.scoring import SnippetScores
from avadclip.timeline import SnippetGrid

CLASSES = ("normal", "fighting")
GRID = SnippetGrid(snippet_frames=24, frame_rate_hz=24.0)  # a snippet is a second


def make_clip(score: float, *, is_event: bool, group: str, has_sound: bool = False) -> JudgedClip:
    """Ten snippets, of which the fourth and fifth are judged; the first visual channel is the score."""
    scores = np.full(10, 0.99, np.float32)
    scores[3:5] = score
    visual = np.repeat(scores[None, :, None], 8, axis=2)
    features = SnippetFeatures(visual, np.zeros((10, 8), np.float32) if has_sound else None, 10.0, provenance=None)
    return JudgedClip(Bag(group, group, features, np.array([not is_event, is_event], np.float32)), 3, 5)


def make_part(events: list[float], false_alarms: list[float], name: str) -> tuple[JudgedClip, ...]:
    named = [(score, True) for score in events] + [(score, False) for score in false_alarms]
    return tuple(make_clip(s, is_event=e, group=f"{name}{n}") for n, (s, e) in enumerate(named))


@pytest.fixture
def checkpoint(monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    monkeypatch.setattr(
        avadclip.evaluation.verdicts,
        "score_features",
        lambda _network, features: SnippetScores(features.visual[0, :, 0], None),
    )
    config = NetworkConfig(embed_dim=8)
    networks = {
        kind: build_network(kind, visual_dim=8, audio_dim=8, classes=CLASSES, network=config).frozen()
        for kind in ("teacher", "visual student")
    }
    header = CheckpointHeader(
        name="guard",
        classes=CLASSES,
        encoders="lite",
        features=Provenance(grid=GRID, visual={"name": "lite"}, audio=None),
        visual_dim=8,
        audio_dim=8,
        network=config,
        thresholds=dict.fromkeys(networks, Thresholds(0.5, 0.6)),
        selection=dict.fromkeys(networks, "last"),
        card="# guard\n",
    )
    return Checkpoint(header, networks)


def test_the_threshold_is_the_highest_that_keeps_the_share() -> None:
    peaks = np.array([0.9, 0.5, 0.8, 0.6, 0.7])
    for share, threshold in ((1.0, 0.5), (0.9, 0.5), (0.8, 0.6), (0.6, 0.7), (0.01, 0.9)):
        assert threshold_keeping(peaks, share) == threshold
    assert threshold_keeping(np.arange(10.0), 0.7) == 3.0  # .7 * 10 is a little more than 7


def test_counts_by_hand() -> None:
    peaks, truth = np.array([0.9, 0.5, 0.5, 0.4]), np.array([True, True, False, False])
    assert count_judged(peaks, truth, 0.5) == (2, 1, 2, 2)
    assert count_judged(peaks, truth, 0.6) == (2, 0, 2, 1)


def test_thresholds_are_chosen_on_one_part_and_counted_on_the_other(checkpoint: Checkpoint) -> None:
    choosing = make_part([0.9, 0.85, 0.8, 0.75, 0.4], [0.7, 0.72, 0.6, 0.8, 0.55], "a")
    held_back = make_part([0.9, 0.7, 0.45], [0.6, 0.65, 0.76], "b")
    changed, (result,) = calibrate_by_verdicts(checkpoint, Verdicts(choosing, held_back), keep_recall=0.8)
    assert result.network == "visual student", "the footage has no sound"
    assert dataclasses.astuple(result.thresholds) == pytest.approx(
        (0.75, 0.75)
    )  # four of five reach it; alert is no lower
    assert result.chosen_on == (5, 1, 5, 4)
    assert result.held_before == (3, 3, 3, 2)
    assert result.held_after == (3, 1, 3, 1)
    assert changed.header.thresholds == {"teacher": Thresholds(0.5, 0.6), "visual student": result.thresholds}
    lines = " ".join(describe(result))
    assert "before: 3 of 3 (29 to 100 %" in lines, "Clopper-Pearson: .025 ** (1 / 3)"
    assert lines in changed.header.card.replace("\n- ", " ").replace("- ", " ")


def test_a_lower_threshold_is_called_one(checkpoint: Checkpoint) -> None:
    part = make_part([0.3] * 5, [0.6] * 5, "a")
    _, (result,) = calibrate_by_verdicts(checkpoint, Verdicts(part, part), keep_recall=1.0)
    assert "nobody has judged" in describe(result)[-1]


def test_groups_are_not_divided_and_a_third_is_held_back() -> None:
    clips = [make_clip(0.5, is_event=n % 2 == 0, group=f"g{n // 4}") for n in range(36)]
    choosing, held_back = divide(clips)
    assert len(held_back) == 12
    assert not {clip.bag.group for clip in choosing} & {clip.bag.group for clip in held_back}
    assert divide(clips) == (choosing, held_back)


@pytest.mark.parametrize("clips", [(), make_part([0.5] * 9, [0.5] * 3, "a"), make_part([0.5] * 3, [0.5] * 9, "a")])
def test_too_few_verdicts_are_refused_in_one_line(clips: tuple[JudgedClip, ...]) -> None:
    with pytest.raises(DataError, match=r"too few; needed 5 of either to choose by and 2 to check with"):
        divide(clips)


def test_the_judged_snippets_are_those_that_the_stretch_touches() -> None:
    row = {"id": "a", "video": "a.mp4", "label": "fighting", "verdict": "real", "correct_label": None, "score": 0.5}
    row |= {"group": "g", "source": "g", "at": 0.0, "judged_by": "", "judged_at": 0.0, "note": ""}
    features = make_clip(0.5, is_event=True, group="a").bag.load()
    for start, end, expected in ((2.5, 4.0, (2, 4)), (3.0, 3.0, (3, 4)), (8.5, 99.0, (8, 10)), (None, None, (0, 10))):
        clip = clip_of(VerdictRow.model_validate(row | {"start": start, "end": end}), features, GRID)
        assert (clip.start, clip.stop) == expected
