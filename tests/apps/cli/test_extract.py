from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import avadclip.encoders.load
import avadclip.features.auto_precision
import avadclip.features.batch
from avadclip.encoders.base import Encoders
from avadclip.encoders.load import EncoderOptions
from avadclip.features.auto_precision import PrecisionChoice
from avadclip.features.batch import ExtractionOutcome
from avadclip.timeline import SnippetGrid

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replaces the encoders and the extraction; a video's content says what becomes of it."""
    seen: dict[str, Any] = {}

    def load_encoders(spec: str, options: EncoderOptions) -> str:
        seen.update(spec=spec, options=options)
        return "encoders"

    def extract_to_folder(
        paths: list[Path],
        folder: Path,
        encoders: object,
        *,
        grid: SnippetGrid,
        audio_track: int | None,
        on_progress: object,
    ) -> Iterator[ExtractionOutcome]:
        seen.update(encoders=encoders, grid=grid, audio_track=audio_track)
        for path in paths:
            target = folder / f"{path.stem}.safetensors"
            match path.read_text():
                case "quiet":
                    yield ExtractionOutcome(path, target, "kept")
                case "silent":
                    yield ExtractionOutcome(path, target, "failed", "no frame\ncan be decoded")
                case _:
                    yield ExtractionOutcome(path, target, "done")

    monkeypatch.setattr(avadclip.encoders.load, "load_encoders", load_encoders)
    monkeypatch.setattr(avadclip.features.batch, "extract_to_folder", extract_to_folder)
    return seen


def test_each_video_is_reported_and_failures_are_one_line(
    calls: dict[str, Any], videos: Path, avadclip_command: Command
) -> None:
    code, out, err = avadclip_command("extract", "yard", "--out", "features")
    assert code == 3
    assert out == "done  features/a.safetensors\nkept  features/b.safetensors\n"
    assert err == (
        "avadclip: error: yard/deep/a.mkv: no frame can be decoded\n1 video extracted, 1 up to date, 1 failed\n"
    )


def test_the_only_input_failing_is_exit_1(calls: dict[str, Any], videos: Path, avadclip_command: Command) -> None:
    assert avadclip_command("extract", "yard/deep", "--out", "features")[0] == 1
    assert avadclip_command("extract", "*.nothing", "--out", "features")[0] == 1


def test_options_reach_the_encoders(calls: dict[str, Any], videos: Path, avadclip_command: Command) -> None:
    avadclip_command(
        *("extract", "yard/a.mp4", "--out", "features", "--encoders", "clip:/models", "--crops", "published-5"),
        *("--snippet-frames", "4", "--frames-per-snippet", "2", "--no-sound", "--device", "cuda", "--audio-track", "2"),
    )
    assert calls == {
        "spec": "clip:/models",
        "encoders": "encoders",
        "grid": SnippetGrid(snippet_frames=4),
        "audio_track": 2,
        "options": EncoderOptions(
            snippet_frames=4, frames_per_snippet=2, framing="published", num_crops=5, sound=False, device="cuda"
        ),
    }


@pytest.mark.parametrize(
    ("crops", "expected"),
    [("centre", ("centre", 1)), ("published-1", ("published", 1)), ("published-10", ("published", 10))],
)
def test_crops(
    calls: dict[str, Any], videos: Path, avadclip_command: Command, crops: str, expected: tuple[str, int]
) -> None:
    avadclip_command("extract", "yard/a.mp4", "--out", "features", "--crops", crops)
    assert (calls["options"].framing, calls["options"].num_crops) == expected


def test_the_defaults_are_what_starter_was_trained_on(
    calls: dict[str, Any], videos: Path, avadclip_command: Command
) -> None:
    avadclip_command("extract", "yard/a.mp4", "--out", "features")
    assert (calls["spec"], calls["options"], calls["grid"]) == ("lite", EncoderOptions(), SnippetGrid())


@pytest.mark.parametrize(
    "wrong",
    [(), ("--out", "features", "--snippet-frames", "4", "--frames-per-snippet", "5"), ("--out", "x", "--crops", "3")],
)
def test_bad_usage_exits_with_2(
    calls: dict[str, Any], videos: Path, avadclip_command: Command, wrong: tuple[str, ...]
) -> None:
    assert avadclip_command("extract", "yard", *wrong)[0] == 2
    assert calls == {}


def test_still_footage_is_skipped_only_where_asked_for(
    calls: dict[str, Any], videos: Path, avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = Encoders("lite", None, None, None)
    monkeypatch.setattr(avadclip.encoders.load, "load_encoders", lambda *_: loaded)
    for options, expected in [((), False), (("--skip-still",), True)]:
        avadclip_command("extract", "yard/a.mp4", "--out", "features", *options)
        assert calls["encoders"].skip_still == expected


def test_a_precision_reaches_the_encoders(calls: dict[str, Any], videos: Path, avadclip_command: Command) -> None:
    avadclip_command("extract", "yard/a.mp4", "--out", "features", "--encoders", "clip", "--precision", "int8")
    assert calls["options"] == EncoderOptions(precision="int8")


def test_auto_precision_is_measured_on_the_videos_and_reported(
    calls: dict[str, Any], videos: Path, avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def choose(spec: str, options: EncoderOptions, paths: list[Path]) -> PrecisionChoice:
        asked.extend([spec, options.num_crops, [path.name for path in paths]])
        return PrecisionChoice(precision="bf16", reason="twice as fast")

    monkeypatch.setattr(avadclip.features.auto_precision, "choose_precision", choose)
    options = ("--encoders", "clip", "--crops", "published-5", "--precision", "auto")
    _, _, err = avadclip_command("extract", "yard/a.mp4", "yard/b.mp4", "--out", "features", *options)
    assert asked == ["clip", 5, ["a.mp4", "b.mp4"]]
    assert calls["options"].precision == "bf16"
    assert "avadclip: note: --precision auto picked bf16: twice as fast\n" in err
