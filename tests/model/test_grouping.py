import pytest
import torch

from avadclip.model.avadclip import BAGS_PER_GROUP, join_groups, length_groups
from avadclip.model.base import Bags


def mask_of(lengths: list[int], longest: int) -> torch.Tensor:
    return torch.arange(longest) < torch.tensor(lengths)[:, None]


def test_groups_hold_every_bag_once_from_short_to_long() -> None:
    lengths = [(7 * bag) % 31 + 1 for bag in range(3 * BAGS_PER_GROUP + 2)]
    groups = length_groups(mask_of(lengths, 40))
    assert len(groups) == 3
    assert sorted(torch.cat(groups).tolist()) == list(range(len(lengths)))
    in_order = [lengths[bag] for bag in torch.cat(groups).tolist()]
    assert in_order == sorted(lengths)


@pytest.mark.parametrize("lengths", [[5], [3, 9, 1], [4] * 3 * BAGS_PER_GROUP])
def test_few_bags_or_bags_of_one_length_stay_together_in_their_order(lengths: list[int]) -> None:
    assert [group.tolist() for group in length_groups(mask_of(lengths, 9))] == [list(range(len(lengths)))]


def test_joining_undoes_grouping_with_zeros_behind() -> None:
    x = torch.randn(3, 4, 2)
    groups = [torch.tensor([2, 0]), torch.tensor([1])]
    joined = join_groups([x[groups[0], :1], x[groups[1], :3]], groups, 4)
    assert torch.equal(joined[1, :3], x[1, :3])
    assert torch.equal(joined[[0, 2], :1], x[[0, 2], :1])
    assert (joined[1, 3:] == 0).all()
    assert (joined[[0, 2], 1:] == 0).all()


@pytest.mark.parametrize("kind", ["teacher", "visual student", "audio student"])
def test_a_bag_in_a_large_batch_gets_what_it_gets_alone(tiny_network, random_bags, kind: str) -> None:
    lengths = [(5 * bag) % 23 + 1 for bag in range(2 * BAGS_PER_GROUP + 1)]
    # In float64: the untrained networks' features are large, and float32 alone would round them by 1e-5.
    network, bags = tiny_network(kind).double(), random_bags(lengths, 30, padding=3.0)
    bags = Bags(bags.visual.double(), bags.audio.double(), bags.mask)
    with torch.no_grad():
        together = network.encode(bags)
        for bag, length in enumerate(lengths):
            own = slice(bag, bag + 1)
            alone = network.encode(Bags(bags.visual[own, :length], bags.audio[own, :length], bags.mask[own, :length]))
            for name in ("features", "anomaly_logits", "log_variance"):
                if getattr(together, name) is not None:
                    found = getattr(together, name)[bag, :length]
                    torch.testing.assert_close(found, getattr(alone, name)[0], rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(together.pooled[bag], alone.pooled[0], rtol=1e-10, atol=1e-10)
