import torch

from avadclip.baselines.layers import SnippetBatchNorm

VALID = torch.tensor([[True, True, True], [True, False, False]])


def test_real_snippets_are_normalised_by_real_snippets_alone() -> None:
    x = torch.tensor([[[1.0], [2.0], [3.0]], [[6.0], [100.0], [-100.0]]])
    norm = SnippetBatchNorm(1)
    normed = norm(x, VALID)
    # 1, 2, 3, 6: mean 3, variance 3.5
    expected = torch.tensor([[[-2.0], [-1.0], [0.0]], [[3.0], [0.0], [0.0]]]) / 3.5**0.5
    torch.testing.assert_close(normed, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_mean, torch.tensor([0.3]))  # momentum .1


def test_padding_is_zero_in_a_test_too() -> None:
    norm = SnippetBatchNorm(2).eval()
    norm.bias.data.fill_(7.0)
    normed = norm(torch.zeros(2, 3, 2), VALID)
    assert (normed[VALID] == 7.0).all()
    assert (normed[~VALID] == 0.0).all()
