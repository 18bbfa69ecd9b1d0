import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from avadclip.model.base import Bags, Batch, Outputs
from avadclip.model.either import BothStudents, join

from .conftest import CLASSES, random_bags, tiny_network

LOGITS = torch.tensor([0.5, 0.2]).logit()


def outputs(score_logit: torch.Tensor, shares: list[float]) -> Outputs:
    """Of one snippet; p(normal) of the class map is made up, and does not count."""
    return Outputs(score_logit.reshape(1, 1), torch.tensor([0.37, *shares]).log().reshape(1, 1, -1))


@pytest.fixture
def both() -> BothStudents:
    return BothStudents(tiny_network("visual student"), tiny_network("audio student", seed=1))


def test_one_snippet_by_hand() -> None:
    joined = join(outputs(LOGITS[0], [0.75, 0.25]), outputs(LOGITS[1], [0.1, 0.9]))
    assert float(joined.scores) == pytest.approx(1 - 0.5 * 0.8)
    classes = [0.6 * (0.5 * 0.75 + 0.2 * 0.1) / 0.7, 0.6 * (0.5 * 0.25 + 0.2 * 0.9) / 0.7]
    assert joined.class_logits.softmax(dim=-1).flatten().tolist() == pytest.approx([0.4, *classes])


def test_many_snippets_as_the_formula_says_in_double_precision() -> None:
    random = np.random.default_rng(0)
    logits, maps = random.normal(scale=3, size=(2, 4, 50)), random.normal(scale=3, size=(2, 4, 50, 5))
    seen, heard = (Outputs(*map(torch.from_numpy, pair)) for pair in zip(logits, maps, strict=True))
    joined = join(seen, heard)
    scores, shares = expit(logits), softmax(maps[..., 1:], axis=-1)
    expected = 1 - (1 - scores[0]) * (1 - scores[1])
    mixed = (scores[..., None] * shares).sum(axis=0) / scores.sum(axis=0)[..., None]
    np.testing.assert_allclose(joined.scores, expected, atol=1e-12)
    class_map = joined.class_logits.softmax(dim=-1).numpy()
    np.testing.assert_allclose(class_map[..., 0], 1 - expected, atol=1e-12)
    np.testing.assert_allclose(class_map[..., 1:], expected[..., None] * mixed, atol=1e-12)


def test_who_saw_and_heard_nothing_changes_nothing() -> None:
    deaf = join(outputs(LOGITS[0], [0.75, 0.25]), outputs(torch.tensor(-60.0), [0.1, 0.9]))
    assert float(deaf.scores) == pytest.approx(0.5)
    assert deaf.class_logits.softmax(dim=-1).flatten().tolist() == pytest.approx([0.5, 0.375, 0.125])


@pytest.mark.parametrize(("seen", "heard"), [(200.0, 200.0), (200.0, -200.0), (-200.0, -200.0)])
def test_extreme_scores_give_numbers(seen: float, heard: float) -> None:
    joined = join(outputs(torch.tensor(seen), [0.75, 0.25]), outputs(torch.tensor(heard), [0.1, 0.9]))
    assert joined.anomaly_logits.isfinite().all()
    assert joined.class_logits.isfinite().all()
    assert float(joined.scores) == float(max(seen, heard) > 0)


@torch.no_grad()
def test_it_reads_both_and_says_what_its_students_say_together(both: BothStudents) -> None:
    bags = random_bags([9, 5])
    expected = join(both.visual(*bags), both.audio(*bags))
    found = both(*bags)
    assert (both.modality, both.classes) == ("audio-visual", CLASSES)
    assert torch.equal(found.anomaly_logits, expected.anomaly_logits)
    assert torch.equal(found.class_logits, expected.class_logits)
    assert (found.scores >= torch.maximum(both.visual(*bags).scores, both.audio(*bags).scores)).all()


@torch.no_grad()
def test_padding_changes_nothing(both: BothStudents) -> None:
    short, padded = both(*random_bags([7])), both(*random_bags([7], 12, padding=9.0))
    torch.testing.assert_close(padded.scores[:, :7], short.scores, atol=1e-6, rtol=0)


@torch.no_grad()
def test_windows_of_a_video_go_once_through_each_student(both: BothStudents, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = [random_bags([6, 6]), random_bags([6, 3], seed=1)]
    num_windows = {"visual": 0, "audio": 0}
    for name in num_windows:
        student = getattr(both, name)

        def count(bags: Bags, *, name: str = name, encode=student.encode):
            num_windows[name] += len(bags.mask)
            return encode(bags)

        monkeypatch.setattr(student, "encode", count)
    apart = list(both.score_apart(iter(passes)))
    assert num_windows == {"visual": 4, "audio": 4}
    for each, joined in zip(apart, both.score_windows(iter(passes)), strict=True):
        assert torch.equal(joined.anomaly_logits, each.joined.anomaly_logits)
    for each, alone in zip(apart, both.visual.score_windows(passes), strict=True):
        assert torch.equal(each.visual.class_logits, alone.class_logits)
    for each, alone in zip(apart, both.audio.score_windows(passes), strict=True):
        assert torch.equal(each.audio.class_logits, alone.class_logits)


def test_it_has_nothing_to_store_or_to_train(both: BothStudents) -> None:
    assert both.tensors() == {}
    bags = random_bags([6])
    with pytest.raises(NotImplementedError, match="train each of them"):
        both.losses(Batch(bags, torch.eye(4)[:1], torch.tensor([True])))
