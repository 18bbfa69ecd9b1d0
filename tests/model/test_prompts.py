import pytest
import torch

from avadclip.model.class_text import LearnedClassVectors
from avadclip.model.prompts import AudioVisualPrompt, LearnedPrompts, PlainPrompt
from avadclip.model.released import ReleasedPrompt

DIM, CLASSES = 6, 3


def feed_forward(prompt: AudioVisualPrompt, x: torch.Tensor) -> torch.Tensor:
    hidden = prompt.feed_forward.expand.weight @ x + prompt.feed_forward.expand.bias
    hidden = hidden * torch.sigmoid(1.702 * hidden)
    return prompt.feed_forward.contract.weight @ hidden + prompt.feed_forward.contract.bias


@pytest.fixture
def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of two bags of 5 and 3 snippets, their logits, mask, and class features."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 5, DIM, generator=generator)
    logits = torch.randn(2, 5, generator=generator)
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    return features, logits, mask, torch.randn(CLASSES, DIM, generator=generator)


def test_paper_equations_4_to_7_written_out(shake, inputs) -> None:
    features, logits, mask, words = inputs
    prompt = shake(AudioVisualPrompt(DIM))
    out = prompt(words, prompt.pool(features, logits, mask))
    assert out.shape == (2, CLASSES, DIM)
    for bag, length in enumerate((5, 3)):
        video = sum(torch.sigmoid(logits[bag, t]) * features[bag, t] for t in range(length))  # eq. 4
        video = video / video.norm()
        shares = torch.stack([words[c] @ video for c in range(CLASSES)]).softmax(dim=0)  # eq. 5
        for c in range(CLASSES):
            mixed = shares[c] * video  # eq. 6
            expected = words[c] + feed_forward(prompt, words[c] + mixed)  # eq. 7
            torch.testing.assert_close(out[bag, c], expected, rtol=1e-5, atol=1e-5)


def test_released_equations_4_to_7_written_out(shake, inputs) -> None:
    features, logits, mask, words = inputs
    prompt = shake(ReleasedPrompt(DIM))
    out = prompt(words, prompt.pool(features, logits, torch.ones_like(mask)))
    for bag in range(2):
        video = sum(logits[bag, t] * features[bag, t] for t in range(5))  # the raw logit, padding included
        video = video / video.norm()
        for c in range(CLASSES):
            kept = words[c] + video
            expected = kept + feed_forward(prompt, kept)
            torch.testing.assert_close(out[bag, c], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("prompt_class", [AudioVisualPrompt, ReleasedPrompt])
def test_sums_of_windows_add_up_to_the_whole_video(prompt_class, inputs) -> None:
    features, logits, mask, _ = inputs
    prompt = prompt_class(DIM)
    whole = prompt.pool(features, logits, mask)
    halves = [prompt.pool(features[:, part], logits[:, part], mask[:, part]) for part in (slice(2), slice(2, 5))]
    torch.testing.assert_close(halves[0] + halves[1], whole)


def test_a_video_without_any_anomaly_has_a_prompt_without_nan(shake) -> None:
    prompt = shake(AudioVisualPrompt(DIM))
    pooled = torch.zeros(1, DIM, requires_grad=True)
    out = prompt(torch.randn(CLASSES, DIM), pooled)
    out.sum().backward()
    assert out.isfinite().all()
    assert pooled.grad.isfinite().all()


def test_the_plain_prompt_leaves_the_class_words_as_they_are(inputs) -> None:
    features, logits, mask, words = inputs
    prompt = PlainPrompt()
    out = prompt(words, prompt.pool(features, logits, mask))
    assert torch.equal(out, torch.stack([words, words]))
    assert list(prompt.parameters()) == []


def test_learned_class_vectors_are_what_they_give() -> None:
    vectors = LearnedClassVectors(3, 6)
    assert torch.equal(vectors(), vectors.vectors)
    assert vectors().requires_grad


def test_words_stand_between_ten_learned_rows_read_by_position() -> None:
    prompts = LearnedPrompts(4)
    assert prompts.table.shape == (77, 4)
    start, end = torch.full((4,), -1.0), torch.full((4,), -2.0)
    words = [torch.full((1, 4), 100.0), torch.full((3, 4), 200.0)]
    embeddings, ends = prompts(words, start, end)
    assert ends.tolist() == [1 + 10 + 1 + 10, 1 + 10 + 3 + 10]
    assert embeddings.shape == (2, 25, 4)
    for c, word in enumerate(words):
        n = len(word)
        assert torch.equal(embeddings[c, 0], start)
        assert torch.equal(embeddings[c, 1:11], prompts.table[1:11])
        assert torch.equal(embeddings[c, 11 : 11 + n], word)
        assert torch.equal(embeddings[c, 11 + n : 21 + n], prompts.table[11 + n : 21 + n])
        assert torch.equal(embeddings[c, 21 + n], end)
        assert torch.equal(embeddings[c, 22 + n :], prompts.table[22 + n : 25])


def test_the_number_of_learned_rows_is_the_same_on_either_side() -> None:
    prompts = LearnedPrompts(4, prompt_tokens=2)
    embeddings, ends = prompts([torch.full((3, 4), 100.0)], torch.full((4,), -1.0), torch.full((4,), -2.0))
    assert ends.tolist() == [1 + 2 + 3 + 2]
    assert (embeddings[0] == 100.0).all(dim=1).tolist() == [3 <= row < 6 for row in range(9)]
    assert torch.equal(embeddings[0, [1, 2, 6, 7]], prompts.table[[1, 2, 6, 7]])


def test_only_the_rows_that_eot_can_see_are_trained_by_it() -> None:
    prompts = LearnedPrompts(4)
    embeddings, ends = prompts([torch.zeros(2, 4)], torch.zeros(4), torch.zeros(4))
    embeddings[0, : int(ends[0]) + 1].sum().backward()
    rows = [row for row in range(77) if prompts.table.grad[row].abs().sum() > 0]
    assert rows == [*range(1, 11), *range(13, 23)]
