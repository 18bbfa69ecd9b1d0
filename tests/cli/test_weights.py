from collections.abc import Callable
from pathlib import Path

import pytest

import avadclip.checkpoint
import avadclip.encoders.convert
import avadclip.encoders.weights
from avadclip.encoders.convert import Converted
from avadclip.encoders.weights import KnownWeights
from avadclip.errors import CheckpointError

Command = Callable[..., tuple[int, str, str]]


def test_show_prints_the_card(avadclip_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avadclip.checkpoint, "read_card", lambda name: f"# {name}\n\nA card.\n\n")
    assert avadclip_command("weights", "show", "starter") == (0, "# starter\n\nA card.\n", "")
    assert avadclip_command("weights", "show")[1].startswith("# starter")


def test_show_of_an_unknown_model_is_one_line(avadclip_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> str:
        raise CheckpointError(f"there is no checkpoint {name}")

    monkeypatch.setattr(avadclip.checkpoint, "read_card", fail)
    assert avadclip_command("weights", "show", "x") == (1, "", "avadclip: error: there is no checkpoint x\n")


def test_list_says_where_weights_are_or_how_to_get_them(
    avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [
        KnownWeights("lite", "picture", Path("/there"), "comes with pip"),
        KnownWeights("clip", "picture and text", None, "`hf download clip`"),
    ]
    monkeypatch.setattr(avadclip.encoders.weights, "known_weights", lambda _: known)
    code, out, err = avadclip_command("weights", "list")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "lite      picture",
        "          /there",
        "clip      picture and text",
        "          not here; `hf download clip`",
    ]


def test_convert_writes_beside_the_source_unless_told(
    avadclip_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old").mkdir()
    Path("old/ViT-B-16.pt").touch()
    monkeypatch.setattr(
        avadclip.encoders.convert,
        "convert_weights",
        lambda _, out: Converted(out / "model.safetensors", "tokenizer.json is still needed"),
    )
    code, out, err = avadclip_command("weights", "convert", "old/ViT-B-16.pt")
    assert (code, out, err) == (0, "old/model.safetensors\n", "tokenizer.json is still needed\n")
    assert avadclip_command("weights", "convert", "old/ViT-B-16.pt", "--out", "new")[1] == "new/model.safetensors\n"
    assert avadclip_command("weights", "convert", "old/missing.pt")[0] == 2
