import torch

from avadclip.model.heads import AnomalyClassifier, EnhancementBlock, UncertaintyHead, alignment_map
from avadclip.model.released import ReleasedUncertaintyHead


def convolve(conv: torch.nn.Conv1d, x: torch.Tensor) -> torch.Tensor:
    """[T, D] to [T, D], zeros outside."""
    half = conv.weight.shape[-1] // 2
    rows = []
    for t in range(len(x)):
        row = conv.bias.clone()
        for k in range(conv.weight.shape[-1]):
            if 0 <= t + k - half < len(x):
                row = row + conv.weight[:, :, k] @ x[t + k - half]
        rows.append(row)
    return torch.stack(rows)


def test_classifier_reads_features_plus_their_mlp(shake) -> None:
    classifier = shake(AnomalyClassifier(6))
    x = torch.randn(2, 3, 6)
    hidden = x @ classifier.feed_forward.expand.weight.T + classifier.feed_forward.expand.bias
    hidden = hidden * torch.sigmoid(1.702 * hidden)
    mlp = hidden @ classifier.feed_forward.contract.weight.T + classifier.feed_forward.contract.bias
    expected = ((x + mlp) * classifier.classify.weight[0]).sum(dim=-1) + classifier.classify.bias
    torch.testing.assert_close(classifier(x), expected)


def test_alignment_is_the_cosine_over_tau() -> None:
    features = torch.tensor([[[3.0, 4.0], [0.0, 0.5]]])
    classes = torch.tensor([[[2.0, 0.0], [0.0, 7.0], [-1.0, 0.0]]])
    expected = torch.tensor([[[0.6, 0.8, -0.6], [0.0, 1.0, 0.0]]]) / 0.07
    torch.testing.assert_close(alignment_map(features, classes), expected)


def test_alignment_of_a_zero_feature_is_undecided_not_nan() -> None:
    features = torch.zeros(1, 1, 4, requires_grad=True)
    logits = alignment_map(features, torch.randn(1, 3, 4))
    assert logits.tolist() == [[[0.0, 0.0, 0.0]]]
    logits.sum().backward()
    assert features.grad.isfinite().all()


def test_enhancement_adds_a_rectified_convolution_that_padding_stays_out_of(shake) -> None:
    block = shake(EnhancementBlock(6))
    x = torch.randn(2, 5, 6)
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    out = block(x, mask)
    for bag, length in enumerate((5, 3)):
        expected = x[bag, :length] + convolve(block.conv, x[bag, :length]).clamp(min=0)
        torch.testing.assert_close(out[bag, :length], expected, rtol=1e-5, atol=1e-5)


def test_uncertainty_is_a_body_that_padding_stays_out_of(shake) -> None:
    head = shake(UncertaintyHead(6))
    projected, x = torch.randn(2, 5, 6), 100 * torch.randn(2, 5, 6)
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    theta = head(projected, x, mask)
    assert [layer.weight.shape[-1] for layer in (head.hidden, head.context, head.log_variance)] == [1, 3, 1]
    normed = (x - x.mean(dim=-1, keepdim=True)) / x.std(dim=-1, keepdim=True, correction=0)
    for bag, length in enumerate((5, 3)):
        both = torch.cat([projected[bag, :length], normed[bag, :length]], dim=-1)
        hidden = convolve(head.hidden, both).clamp(min=0)
        expected = convolve(head.log_variance, convolve(head.context, hidden))
        torch.testing.assert_close(theta[bag, :length], expected, rtol=1e-4, atol=1e-4)


def test_sigma_is_1_before_training_and_features_learn_nothing_by_it() -> None:
    head, projected, x = UncertaintyHead(6), *(torch.randn(1, 5, 6, requires_grad=True) for _ in range(2))
    theta = head(projected, x, torch.ones(1, 5, dtype=torch.bool))
    assert (theta == 0).all()
    theta.sum().backward()
    assert projected.grad is None
    assert x.grad is None
    assert head.log_variance.bias.grad.abs().sum() > 0


def test_released_uncertainty_is_minus_features_and_body(shake) -> None:
    head = shake(ReleasedUncertaintyHead(6))
    x = torch.randn(1, 5, 6)
    hidden = convolve(head.first, x[0]).clamp(min=0)
    body = convolve(head.third, convolve(head.second, hidden)).clamp(min=0)
    theta = head(torch.randn(1, 5, 6), x, torch.tensor([[True, True, True, False, False]]))  # padding takes part
    torch.testing.assert_close(theta[0], -(x[0] + body), rtol=1e-5, atol=1e-5)
