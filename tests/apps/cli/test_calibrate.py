import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

from avadclip.apps.cli.main import app

Command = Callable[..., tuple[int, str, str]]
DOCS = Path(__file__).parents[3] / "docs"
RATE = ("--false-alarms-per-hour", "1")


@pytest.mark.parametrize(
    "arguments",
    [
        RATE,
        ("--normal", "nights", "--labelled", "labels.csv"),  # no rate
        (),
        ("--normal", "nights"),
        ("--labelled", "labels.csv", *RATE),
        ("--labelled", "labels.csv", "--alerts-per-hour", "1"),
        ("--normal", "nights", "--false-alarms-per-hour", "61"),
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together_are_exit_2(
    arguments: tuple[str, ...], tmp_path: Path, avadclip_command: Command
) -> None:
    new = tmp_path / "new.safetensors"
    code, out, _ = avadclip_command("calibrate", "starter-1", *arguments, "--out", str(new))
    assert (code, out) == (2, "")
    assert not new.exists()


def test_footage_that_cannot_be_used_is_one_line_and_leaves_nothing(tmp_path: Path, avadclip_command: Command) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    for normal in (tmp_path / "a.mp4", tmp_path / "none"):
        new = tmp_path / "new.safetensors"
        code, out, err = avadclip_command("calibrate", "starter-1", "--normal", str(normal), *RATE, "--out", str(new))
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert str(normal) in err
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_every_option_is_documented() -> None:
    page = (DOCS / "calibrate.md").read_text()
    table = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `--")]
    options = {option for each in get_command(app).commands["calibrate"].params for option in each.opts}
    documented = {option for cell in table for option in re.findall(r"`(--[\w-]+)`", cell)}
    assert documented == {option for option in options if option.startswith("--")} - {"--help"}
