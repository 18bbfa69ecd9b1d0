"""A visual student that is taught with damaged copies, held out: what its theta shows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avadclip.config import DistillationConfig, NetworkConfig, OptimizerConfig, TrainingConfig
from avadclip.data.bags import Bag
from avadclip.data.damage import FeatureDamage, damage_stretch
from avadclip.evaluation.uncertainty import measure_uncertainty, snippet_uncertainty
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.scoring import student_variance
from avadclip.model.base import System
from avadclip.timeline import SnippetGrid
from avadclip.training.loop import Supervision, train_network

torch.set_num_threads(1)

CLASSES = ("normal", "fighting")
NUM_SNIPPETS = 24


def make_bags(number: int, *, seed: int) -> list[Bag]:
    """Scenes of a few kinds, no channel centred at zero; in odd bags five snippets show a fight."""
    random, world = np.random.default_rng(seed), np.random.default_rng(9)
    centre, scenes, fight = 3 * world.normal(size=12), world.normal(size=(6, 12)), world.normal(size=12)
    bags = []
    for index in range(number):
        rows = centre + scenes[random.integers(0, 6, NUM_SNIPPETS)] + 0.3 * random.normal(size=(NUM_SNIPPETS, 12))
        start = int(random.integers(0, NUM_SNIPPETS - 5))
        rows[start : start + 5] += 2 * fight * (index % 2)
        audio = random.normal(size=(NUM_SNIPPETS, 8))
        audio[start : start + 5] += index % 2
        stored = SnippetFeatures(rows[None].astype(np.float32), audio.astype(np.float32), 16.0, provenance=None)
        bags.append(Bag(f"yard {index}", f"yard {index}", stored, np.eye(2, dtype=np.float32)[index % 2]))
    return bags


def train(network: str, bags: list[Bag], *, epochs: int, teacher: System | None = None, **distillation) -> System:
    config = TrainingConfig(
        network_kind=network,
        network=NetworkConfig(embed_dim=16),
        optimizer=OptimizerConfig(learning_rate=3e-3, batch_size=10, epochs=epochs, milestones=()),
        distillation=DistillationConfig(**distillation),
    )
    return train_network(bags, config, Supervision(CLASSES, teacher=teacher, always_taught=True)).last


@pytest.fixture(scope="module")
def networks() -> tuple[System, System]:
    """Visual student and teacher."""
    bags = make_bags(40, seed=0)
    teacher = train("teacher", bags, epochs=6)
    taught = {"kind": "uncertainty", "weight": 1.0, "damaged_share": 0.4}
    return train("visual student", bags, epochs=20, teacher=teacher, **taught), teacher


def test_theta_is_higher_where_the_picture_is_damaged(networks: tuple[System, System]) -> None:
    unseen = [damage_stretch(bag, 0.4, seed=index) for index, bag in enumerate(make_bags(30, seed=1))]
    measures = measure_uncertainty(*networks, unseen)
    assert measures.distance_auroc > 0.65
    assert measures.variance_auroc > 0.65  # a head that learned nothing has 0.5
    assert measures.correlation > 0.3


@pytest.mark.parametrize("damage", ["black", "dark"])
def test_sigma_rises_when_the_picture_goes_dark(networks: tuple[System, System], damage: str) -> None:
    unseen = make_bags(10, seed=2)
    damaged = FeatureDamage(unseen, SnippetGrid())
    student = networks[0]
    clean = np.concatenate([student_variance(student, bag.load()) for bag in unseen])
    under = np.concatenate([student_variance(student, damaged(index, damage)) for index in range(len(unseen))])
    assert np.median(under) > 1.1 * np.median(clean)


def test_distances_are_to_what_the_teacher_makes_of_the_clear_picture(networks: tuple[System, System]) -> None:
    student, teacher = networks
    bag = make_bags(1, seed=3)[0]
    black = replace(bag.load(), visual=np.zeros_like(bag.load().visual))
    values = snippet_uncertainty(student, teacher, replace(bag, stored=black, clear=bag.stored))
    clear, dark = (torch.from_numpy(each.visual) for each in (bag.load(), black))
    audio, mask = torch.from_numpy(bag.load().audio)[None], torch.ones(1, NUM_SNIPPETS, dtype=torch.bool)
    with torch.inference_mode():
        gap = (teacher(clear, audio, mask).features - student(dark, None, mask).features)[0].numpy()
    np.testing.assert_allclose(values.squared_distance, (gap**2).mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(values.log_squared_distance, np.log(gap**2).mean(axis=1), rtol=1e-3, atol=1e-3)
    assert values.is_damaged.all()
