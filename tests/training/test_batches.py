import numpy as np
import pytest
import torch

from avadclip.data.bags import Bag
from avadclip.features.snippets import SnippetFeatures
from avadclip.training.batches import draw_batches


def make_bags(num_normal: int, num_anomalous: int) -> list[Bag]:
    features = SnippetFeatures(np.zeros((1, 2, 3), np.float32), None, 1.0, provenance=None)
    targets = [[1, 0]] * num_normal + [[0, 1]] * num_anomalous
    return [Bag(str(i), str(i), features, np.array(row, np.float32)) for i, row in enumerate(targets)]


def draw(bags: list[Bag], **options) -> list[list[str]]:
    given = {"batch_size": 4, "num_steps": None, "pairing": "mixed", **options}
    batches = draw_batches(bags, **given, shuffle=torch.Generator().manual_seed(0))
    return [[bag.name for bag in batch] for batch in batches]


def test_mixed_batches_hold_every_bag_once_in_another_order() -> None:
    batches = draw(make_bags(5, 5))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    order = [name for batch in batches for name in batch]
    assert sorted(order) == sorted(map(str, range(10)))
    assert order != list(map(str, range(10)))


@pytest.mark.parametrize("num_steps", [1, 2, 7])
def test_a_recipe_may_ask_for_any_number_of_whole_steps(num_steps: int) -> None:
    batches = draw(make_bags(5, 5), num_steps=num_steps)
    assert [len(batch) for batch in batches] == [4] * num_steps
    order = [name for batch in batches for name in batch]
    counts = [order.count(str(i)) for i in range(10)]
    assert max(counts) - min(counts) <= 1  # pass by pass


@pytest.mark.parametrize("num_steps", [None, 9])
def test_paired_batches_hold_normal_bags_then_as_many_anomalous_ones(num_steps: int | None) -> None:
    batches = draw(make_bags(7, 3), num_steps=num_steps, pairing="paired")
    assert len(batches) == (num_steps or 4)  # 7 normal bags, two a step
    for batch in batches:
        assert [int(name) < 7 for name in batch] == [True, True, False, False]
    seen = {name for batch in batches for name in batch}
    assert seen == set(map(str, range(10)))
