from pathlib import Path

import pytest
from typer.testing import CliRunner

from avadclip.apps.cli.main import app
from avadclip.apps.live.config import WatchConfig
from avadclip.config import read_config
from avadclip.data.label_csv import read_label_csv
from avadclip.errors import ConfigError
from avadclip.inference.networks import read_recipe


def write(*arguments: str | Path) -> None:
    CliRunner().invoke(app, ["init", *map(str, arguments)], catch_exceptions=False)


def test_each_template_is_accepted_by_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for template in ("recipe", "cameras", "labels"):
        write(template)
    assert read_recipe(Path("recipe.toml")).data is not None
    assert list(read_config(Path("cameras.toml"), WatchConfig).cameras) == ["yard"]
    videos = read_label_csv(Path("labels.csv"))
    assert videos[0].group == videos[1].group == "monday"
    assert [len(video.intervals or ()) for video in videos] == [0, 0, 2, 0, 0]


def test_an_existing_file_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("mine")
    with pytest.raises(ConfigError, match="is not replaced"):
        write("recipe", file)
    assert file.read_text() == "mine"
