import torch

from avadclip.model.heads import AnomalyClassifier, EnhancementBlock, UncertaintyHead, alignment_map


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


def test_uncertainty_is_minus_features_and_body_that_padding_stays_out_of(shake) -> None:
    head = shake(UncertaintyHead(6))
    x = torch.randn(2, 5, 6)
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    theta = head(x, mask)
    assert head.first.weight.shape[-1] == 1
    assert head.second.weight.shape[-1] == 3
    assert head.third.weight.shape[-1] == 1
    for bag, length in enumerate((5, 3)):
        rows = x[bag, :length]
        hidden = convolve(head.first, rows).clamp(min=0)
        body = convolve(head.third, convolve(head.second, hidden)).clamp(min=0)
        torch.testing.assert_close(theta[bag, :length], -(rows + body), rtol=1e-5, atol=1e-5)
