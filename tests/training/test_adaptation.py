from pathlib import Path

import numpy as np
import pytest
import torch

from avadclip.config import NetworkConfig
from avadclip.data.bags import Bag
from avadclip.errors import CheckpointError
from avadclip.evaluation.verdicts import JudgedClip, Verdicts, peak_score
from avadclip.events import Thresholds
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader, load_checkpoint, save_checkpoint
from avadclip.inference.networks import BOTH_STUDENTS, STUDENTS, build_network
from avadclip.model.either import BothStudents
from avadclip.timeline import SnippetGrid
from avadclip.training.adaptation import adapt

CLASSES = ("normal", "fighting")
WIDTH = 8


def make_checkpoint(variant: str = "extended") -> Checkpoint:
    """Two students that see or hear an anomaly wherever channel 0 is high."""
    torch.manual_seed(0)
    config = NetworkConfig(embed_dim=16, variant=variant)
    networks = {
        kind: build_network(kind, visual_dim=WIDTH, audio_dim=WIDTH, classes=CLASSES, network=config).frozen()
        for kind in STUDENTS
    }
    if variant == "extended":
        for student in networks.values():
            (layer,) = student.linear.values()
            layer.linear.weight.data[0, 0] = 3.0
        networks[BOTH_STUDENTS] = BothStudents(*networks.values())
    header = CheckpointHeader(
        name="guard",
        classes=CLASSES,
        encoders="lite",
        features=Provenance(grid=SnippetGrid(), visual={"name": "lite"}, audio={"name": "lite"}),
        visual_dim=WIDTH,
        audio_dim=WIDTH,
        network=config,
        thresholds=dict.fromkeys(networks, Thresholds(0.5, None)),
        selection=dict.fromkeys(networks, "last"),
        card="# guard\n",
    )
    return Checkpoint(header, networks)


def make_clips(num: int, name: str, *, seed: int, is_told: bool = True) -> tuple[JudgedClip, ...]:
    """Half events, half false alarms, both loud in channel 0 of the sound; `is_told`: channel 1 tells them apart."""
    random = np.random.default_rng(seed)
    clips = []
    for number in range(num):
        is_event = number % 2 == 0
        visual, audio = (random.normal(0, 0.3, (12, WIDTH)).astype(np.float32) for _ in range(2))
        audio[4:8, 0] += 1.5
        if is_told and not is_event:
            audio[4:8, 1] += 2.0
        features = SnippetFeatures(visual[None], audio, 8.0, provenance=None)
        bag = Bag(f"{name}{number}", f"{name}{number}", features, np.array([not is_event, is_event], np.float32))
        clips.append(JudgedClip(bag, 4, 8))
    return tuple(clips)


def test_what_tells_false_alarms_apart_is_learned_and_holds_for_others(tmp_path: Path) -> None:
    checkpoint = make_checkpoint()
    before = {
        name: {key: value.clone() for key, value in network.tensors().items()}
        for name, network in checkpoint.networks.items()
    }
    verdicts = Verdicts(make_clips(64, "a", seed=1), make_clips(32, "b", seed=2))
    adapted, adaptation, results = adapt(checkpoint, verdicts, keep_recall=0.9)
    assert adaptation.pull is not None
    assert adaptation.auc > 0.95 > adaptation.auc_before
    (both,) = (each for each in results if each.network == BOTH_STUDENTS)
    assert both.held_before[:2] == (16, 16), "every one is a false alarm before"
    assert both.held_after.num_false_left <= 1
    assert both.held_after.num_found >= 12
    for name, network in checkpoint.networks.items():
        assert all(torch.equal(before[name][key], value) for key, value in network.tensors().items())
    save_checkpoint(tmp_path / "new.safetensors", adapted)
    read = load_checkpoint(tmp_path / "new.safetensors")
    clip = verdicts.held_back[1]
    assert peak_score(read.networks[BOTH_STUDENTS], clip) == pytest.approx(
        peak_score(adapted.networks[BOTH_STUDENTS], clip), abs=1e-6
    )
    assert "Set from verdicts" in read.header.card


def test_the_refitted_network_scores_what_was_fitted() -> None:
    """The changed weights in the network give the logits that the refit optimised: base plus the linear change."""
    from avadclip.training.adaptation import _changed, _joint_peaks, _linear_path, _path

    checkpoint = make_checkpoint()
    (clip,) = make_clips(1, "a", seed=3)
    linear = {name: checkpoint.networks[name] for name in STUDENTS}
    generator = torch.Generator().manual_seed(0)
    changes = {name: torch.randn(WIDTH + 1, generator=generator) for name in STUDENTS}
    paths = {name: _path(student, [clip]) for name, student in linear.items()}
    fitted = float(_joint_peaks(paths, changes)[0].sigmoid())
    changed = _changed(checkpoint, changes)
    assert peak_score(changed.networks[BOTH_STUDENTS], clip) == pytest.approx(fitted, abs=1e-5)
    assert _linear_path(changed.networks["audio student"])[0] == "audio"


def test_weights_stay_where_nothing_tells_false_alarms_apart() -> None:
    verdicts = Verdicts(make_clips(12, "a", seed=1, is_told=False), make_clips(8, "b", seed=2, is_told=False))
    twice = Verdicts(tuple(_swapped(clip) for clip in verdicts.choosing), verdicts.held_back)
    for each in (verdicts, twice):
        adapted, adaptation, _ = adapt(make_checkpoint(), each, keep_recall=0.9)
        if adaptation.pull is None:
            before = make_checkpoint().networks["audio student"].tensors()
            after = adapted.networks["audio student"].tensors()
            assert all(torch.equal(before[name], after[name]) for name in before)
            return
    pytest.fail("a refit that follows chance alone must not look better with either labelling")


def _swapped(clip: JudgedClip) -> JudgedClip:
    bag = clip.bag
    return clip._replace(bag=Bag(bag.name, bag.group, bag.stored, bag.targets[::-1].copy()))


def test_networks_without_a_linear_path_are_refused() -> None:
    verdicts = Verdicts(make_clips(12, "a", seed=1), make_clips(8, "b", seed=2))
    with pytest.raises(CheckpointError, match="calibrate --verdicts"):
        adapt(make_checkpoint("paper"), verdicts, keep_recall=0.9)
