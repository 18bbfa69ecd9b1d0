import numpy as np
import pytest
import torch

from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.encoders.clip_text import ClipTextEncoder, ClipTokenizer
from avadclip.errors import ConfigError, WeightsError

SMALL = ClipConfig(
    vision_width=16, vision_depth=1, vision_heads=2, text_width=16, text_depth=2, text_heads=2, embed_dim=8
)


@pytest.fixture(scope="module")
def tokenizer(tokenizer_file):
    return ClipTokenizer(tokenizer_file)


@pytest.fixture(scope="module")
def text(tokenizer):
    torch.manual_seed(0)
    return ClipTextEncoder(Clip(SMALL), tokenizer)


def test_tokenizer_gives_the_ids_transformers_gives(tokenizer, tokenizer_file):
    from transformers import PreTrainedTokenizerFast

    reference = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer_file))
    for phrase in ("fight", "Car  Fight", "a man's 2 cars!", "naïve"):
        assert [tokenizer.sos, *tokenizer.word_ids(phrase), tokenizer.eot] == reference(phrase)["input_ids"]
    assert (tokenizer.sos, tokenizer.eot) == (49_406, 49_407)


def test_merged_words_are_one_token(tokenizer):
    assert len(tokenizer.word_ids("car fight")) == 2


def test_a_phrase_alone_is_encoded_as_among_longer_ones(text):
    together = text.encode_words(["fight", "car fight in the street", "riot"])
    assert together.shape == (3, 8)
    assert together.dtype == np.float32
    for row, phrase in zip(together, ["fight", "car fight in the street", "riot"], strict=True):
        np.testing.assert_allclose(text.encode_words([phrase])[0], row, atol=1e-6)


def test_phrases_are_encoded_as_transformers_does(hf_clip, tokenizer):
    with torch.device("meta"):
        clip = Clip()
    text = ClipTextEncoder(clip.load_tensors(hf_clip.state_dict(), "transformers"), tokenizer)
    ids = torch.tensor([[tokenizer.sos, *tokenizer.word_ids("car fight"), tokenizer.eot]])
    with torch.inference_mode():
        expected = hf_clip.get_text_features(ids).pooler_output
    np.testing.assert_allclose(text.encode_words(["car fight"]), expected, atol=1e-5)


def test_no_phrases_give_no_rows(text):
    assert text.encode_words([]).shape == (0, 8)


@pytest.mark.parametrize(("phrase", "message"), [(" ", "no word"), ("x " * 76, "76 tokens, CLIP's limit is 75")])
def test_phrases_clip_cannot_read_are_refused(text, phrase, message):
    with pytest.raises(ConfigError, match=message):
        text.encode_words([phrase])


def test_a_longest_phrase_is_read(text):
    assert text.encode_words(["x " * 75]).shape == (1, 8)


def test_a_damaged_tokenizer_is_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(WeightsError, match=r"tokenizer\.json cannot be read as a tokenizer"):
        ClipTokenizer(path)


def test_another_models_tokenizer_is_refused(tmp_path):
    from tokenizers import Tokenizer, models

    path = tmp_path / "tokenizer.json"
    Tokenizer(models.BPE({"a": 0}, [])).save(str(path))
    with pytest.raises(WeightsError, match=r"has no <\|startoftext\|>"):
        ClipTokenizer(path)


def test_a_tokenizer_that_does_not_belong_to_the_weights_is_refused(tokenizer):
    with pytest.raises(WeightsError, match="ends texts with id 49407, CLIP with 99"):
        ClipTextEncoder(Clip(ClipConfig(**{**vars(SMALL), "vocabulary": 100})), tokenizer)
