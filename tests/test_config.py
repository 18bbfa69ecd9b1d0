from pathlib import Path

import pytest
from pydantic import ValidationError

from avadclip.config import NetworkConfig, TrainingConfig, parse_config, read_config
from avadclip.errors import ConfigError


def refusal(content: str, tmp_path: Path) -> str:
    """What is said about a file with this content: one line that starts with the file's name."""
    path = tmp_path / "recipe.toml"
    path.write_text(content)
    with pytest.raises(ConfigError) as refused:
        read_config(path, TrainingConfig)
    message = str(refused.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def test_an_empty_file_is_the_default_recipe(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("")
    assert read_config(path, TrainingConfig) == TrainingConfig()


def test_the_defaults_are_the_papers_recipe() -> None:
    config = TrainingConfig()
    assert config.network.variant == "paper"
    assert config.network.embed_dim == 512
    assert config.network.fusion == "adaptive"
    assert config.network.enhancement_blocks == 3
    assert config.loss.focal
    assert config.loss.text_separation == 1e-4
    optimizer = config.optimizer
    assert (optimizer.learning_rate, optimizer.weight_decay) == (1e-5, 0.01)
    assert (optimizer.batch_size, optimizer.epochs, optimizer.milestones) == (96, 10, (3, 6))


def test_values_of_every_level_arrive(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        'seed = 7\n[network]\nvariant = "released"\nembed_dim = 64\n[network.student_temporal]\nattention_window = 8\n'
        "[optimizer]\nmilestones = [2]\n"
    )
    config = read_config(path, TrainingConfig)
    assert config.seed == 7
    assert config.network.variant == "released"
    assert config.network.student_temporal.attention_window == 8
    assert config.optimizer.milestones == (2,)


@pytest.mark.parametrize(
    ("content", "key", "nearest"),
    [
        ("sede = 1", "sede", "seed"),
        ("[optimiser]\nepochs = 2", "optimiser", "optimizer"),
        ("[network]\nembed_dims = 64", "network.embed_dims", "embed_dim"),
        ("[network.teacher_temporal]\nnum_block = 2", "network.teacher_temporal.num_block", "num_blocks"),
        ("[loss]\nfocl = true", "loss.focl", "focal"),
    ],
)
def test_an_unknown_key_names_the_nearest_one(tmp_path: Path, content: str, key: str, nearest: str) -> None:
    message = refusal(content, tmp_path)
    assert f"unknown key `{key}`" in message
    assert f"did you mean `{nearest}`?" in message


def test_a_key_like_no_other_gets_the_list(tmp_path: Path) -> None:
    message = refusal("[network.teacher_temporal]\nzzz = 2", tmp_path)
    assert "known keys are num_blocks, attention_window" in message


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("[network]\nvariant = 'printed'", ["`network.variant`", "'printed'", "'paper', 'released' or 'extended'"]),
        ("[network]\nembed_dim = 4", ["`network.embed_dim`", "4", "8"]),
        ("[network]\nembed_dim = 64.5", ["`network.embed_dim`", "64.5"]),
        ("[optimizer]\nlearning_rate = 0", ["`optimizer.learning_rate`", "0"]),
        ("[optimizer]\nlearning_rate = nan", ["`optimizer.learning_rate`", "nan"]),
        ("[optimizer]\nepochs = 'ten'", ["`optimizer.epochs`", "'ten'"]),
        ("[optimizer]\nlearning_rate = inf", ["`optimizer.learning_rate`", "inf", "finite"]),
        ("[optimizer]\nlearning_rate = 1e30", ["`optimizer.learning_rate`", "1e+30", "less than or equal to 1"]),
        ("[optimizer]\nweight_decay = nan", ["`optimizer.weight_decay`", "nan", "finite"]),
        ("[optimizer]\nmilestones = [6, 3]", ["`optimizer.milestones`", "[6, 3]", "ascending"]),
        ("[optimizer]\nmilestones = [3, 3]", ["`optimizer.milestones`", "[3, 3]", "each once"]),
        ("[optimizer]\nmilestones = [0, 3]", ["`optimizer.milestones.0`", "0", "greater than or equal to 1"]),
        ("[loss]\ntext_separation = inf", ["`loss.text_separation`", "inf", "finite"]),
        ("[distillation]\nweight = inf", ["`distillation.weight`", "inf", "finite"]),
        ("[distillation]\nweight = nan", ["`distillation.weight`", "nan", "finite"]),
        ("[network]\ninput_dropout = nan", ["`network.input_dropout`", "nan", "finite"]),
        ("[data]\nsource = ''", ["`data.source`", "''", "at least 1"]),
        ("[data]\nfeatures = 'features'", ["`data.source` is missing", "CSV file", "synthetic:tiny"]),
        ("seed = -1", ["`seed`", "-1"]),
        ("seed = 4294967296", ["`seed`", "4294967296"]),
        ("network = 'paper'", ["`network`", "'paper'"]),
    ],
)
def test_an_unusable_value_is_named_with_what_is_needed(tmp_path: Path, content: str, parts: list[str]) -> None:
    message = refusal(content, tmp_path)
    assert [part for part in parts if part not in message] == []


def test_a_file_that_is_no_toml_says_where(tmp_path: Path) -> None:
    assert "line 1" in refusal("seed = = 1", tmp_path)
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_config(path, TrainingConfig)


def test_missing_files_and_folders_are_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.toml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read") as refused:
            read_config(path, TrainingConfig)
        assert "\n" not in str(refused.value)


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        NetworkConfig().embed_dim = 8


def test_the_origin_of_plain_values_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^--set: unknown key `sed`; did you mean `seed`\?$"):
        parse_config({"sed": 1}, TrainingConfig, origin="--set")


def test_what_is_written_out_reads_back() -> None:
    config = parse_config({"seed": 3, "network": {"embed_dim": 32}}, TrainingConfig, origin="here")
    assert parse_config(config.model_dump(mode="json"), TrainingConfig, origin="there") == config
