import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

import avadclip.inference.checkpoint
from avadclip.config import NetworkConfig
from avadclip.encoders.load import EncoderOptions
from avadclip.errors import CheckpointError
from avadclip.events import Thresholds
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.features.store import write_features
from avadclip.inference.checkpoint import (
    Checkpoint,
    CheckpointHeader,
    load_checkpoint,
    locate_checkpoint,
    read_card,
    save_checkpoint,
)
from avadclip.inference.networks import BOTH_STUDENTS, STUDENTS, build_network
from avadclip.inference.scoring import score_features
from avadclip.model.either import BothStudents
from avadclip.timeline import SnippetGrid

torch.set_num_threads(1)

CLASSES = ("normal", "fighting", "riot")

KINDS = ("teacher", "visual student", "audio student")
PROVENANCE = Provenance(
    grid=SnippetGrid(frame_rate_hz=25.0),
    visual={"name": "lite", "frame_offsets": [0, 4]},
    audio={"name": "log-mel"},
)


def make_checkpoint(kinds: tuple[str, ...] = KINDS, **network: object) -> Checkpoint:
    config = NetworkConfig(embed_dim=8, **network)
    header = CheckpointHeader(
        name="tiny",
        classes=CLASSES,
        encoders="lite",
        encoder_options=EncoderOptions(),
        features=PROVENANCE,
        visual_dim=10,
        audio_dim=6,
        network=config,
        thresholds={kind: Thresholds(0.1 * number, 0.9) for number, kind in enumerate(kinds, 1)},
        selection=dict.fromkeys(kinds, "validation"),
        card="# tiny\n\nA card with ä.\n",
    )
    torch.manual_seed(0)
    networks = {
        kind: build_network(kind, visual_dim=10, audio_dim=6, classes=CLASSES, network=config).frozen()
        for kind in kinds
    }
    return Checkpoint(header, networks)


def with_both_students(checkpoint: Checkpoint, *, default: str | None = None) -> Checkpoint:
    header, networks = checkpoint.header, checkpoint.networks
    changed = {
        "thresholds": {**header.thresholds, BOTH_STUDENTS: Thresholds(0.7, None)},
        "selection": {**header.selection, BOTH_STUDENTS: "test"},
        "default": default,
    }
    both = BothStudents(*(networks[kind] for kind in STUDENTS))
    return Checkpoint(header.model_copy(update=changed), {**networks, BOTH_STUDENTS: both})


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, make_checkpoint())
    return path


def parts_of(path: Path) -> tuple[dict[str, torch.Tensor], dict]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["avadclip"])  # noqa: SIM118


def rewrite(path: Path, tensors: dict[str, torch.Tensor], header: object) -> None:
    save_file(tensors, path, metadata={"avadclip": header if isinstance(header, str) else json.dumps(header)})


def refusal(path: Path | str, *, card_too: bool = False) -> str:
    """What is said about a file: one line that names it."""
    with pytest.raises(CheckpointError) as refused:
        load_checkpoint(path)
    message = str(refused.value)
    assert str(path) in message
    assert "\n" not in message
    if card_too:
        with pytest.raises(CheckpointError):
            read_card(path)
    return message


@pytest.mark.parametrize("network", [{}, {"variant": "released"}, {"fusion": "cross-attention"}, {"fusion": "none"}])
def test_what_is_saved_loads_and_scores_the_same(tmp_path: Path, network: dict) -> None:
    path = tmp_path / "new" / "tiny.safetensors"
    saved = make_checkpoint(**network)
    save_checkpoint(path, saved)
    loaded = load_checkpoint(path)
    assert loaded.header == saved.header
    assert tuple(loaded.networks) == KINDS
    random = np.random.default_rng(0)
    rows = random.normal(size=(20, 16)).astype(np.float32)
    features = SnippetFeatures(rows[None, :, :10], rows[:, 10:], 13.3, provenance=None)
    for kind in KINDS:
        weights = loaded.networks[kind].tensors()
        for name, tensor in saved.networks[kind].tensors().items():
            assert torch.equal(weights[name], tensor), name
        expected, found = (
            score_features(saved.networks[kind], features),
            score_features(loaded.networks[kind], features),
        )
        # The last bit of a product depends on where in memory its factors lie.
        np.testing.assert_allclose(found.anomaly_scores, expected.anomaly_scores, rtol=0, atol=1e-6)
        np.testing.assert_allclose(found.class_probabilities, expected.class_probabilities, rtol=0, atol=1e-6)


def test_both_students_are_named_and_not_stored_again(written: Path, tmp_path: Path) -> None:
    saved = with_both_students(make_checkpoint(), default=BOTH_STUDENTS)
    save_checkpoint(tmp_path / "both.safetensors", saved)
    assert parts_of(tmp_path / "both.safetensors")[0].keys() == parts_of(written)[0].keys()
    loaded = load_checkpoint(tmp_path / "both.safetensors")
    assert loaded.header == saved.header
    assert tuple(loaded.networks) == (*KINDS, BOTH_STUDENTS)
    both = loaded.networks[BOTH_STUDENTS]
    assert both.selection == "test"
    assert (both.visual, both.audio) == tuple(loaded.networks[kind] for kind in STUDENTS)
    assert not any(module.training for module in both.modules())


def test_both_students_need_each_of_them(tmp_path: Path) -> None:
    whole, path = with_both_students(make_checkpoint()), tmp_path / "a.safetensors"
    for kind in STUDENTS:
        thresholds, selection = (
            {name: value for name, value in values.items() if name != kind}
            for values in (whole.header.thresholds, whole.header.selection)
        )
        header = whole.header.model_copy(update={"thresholds": thresholds, "selection": selection})
        save_checkpoint(path, dataclasses.replace(whole, header=header))
        assert "`both students` needs visual student and audio student in the same file" in refusal(path)


@pytest.mark.parametrize("default", [None, "teacher", "visual student", "both students"])
def test_a_default_reads_both_or_the_picture(tmp_path: Path, default: str | None) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, with_both_students(make_checkpoint(), default=default))
    assert load_checkpoint(path).header.default == default


@pytest.mark.parametrize(
    ("default", "said"),
    [
        ("audio student", "`default` is audio student; needed a network of picture and sound or visual student"),
        ("both students", "`default` is both students, which it does not hold"),
        ("deep-mil", "`default` is deep-mil, which it does not hold"),
        ("loudest", "there is no network 'loudest'"),
    ],
)
def test_another_default_is_refused(written: Path, default: str, said: str) -> None:
    tensors, header = parts_of(written)
    rewrite(written, tensors, {**header, "default": default})
    assert said in refusal(written)


def test_loaded_networks_are_ready_and_frozen(written: Path) -> None:
    for trained in load_checkpoint(written).networks.values():
        assert not any(module.training for module in trained.modules())
        assert not any(parameter.requires_grad for parameter in trained.parameters())
        assert not trained.class_text().requires_grad


def test_statistics_of_the_training_features_come_along(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(("visual student",))
    network = checkpoint.networks["visual student"]
    network.encoder.fit_projections(torch.arange(30.0).reshape(3, 10), None)
    save_checkpoint(tmp_path / "a.safetensors", checkpoint)
    loaded = load_checkpoint(tmp_path / "a.safetensors").networks["visual student"]
    assert torch.equal(loaded.encoder.projection.mean, torch.arange(10.0, 20.0))
    assert loaded.encoder.projection.deviation.tolist() == [10.0] * 10


def test_the_card_is_read_without_the_networks(written: Path, monkeypatch) -> None:
    monkeypatch.setattr(avadclip.inference.checkpoint, "build_network", None)
    assert read_card(written) == "# tiny\n\nA card with ä.\n"


def test_a_checkpoint_is_written_whole_or_not_at_all(written: Path, monkeypatch) -> None:
    before = written.read_bytes()

    def full_disk(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("avadclip.files._flush_to_disk", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(written, make_checkpoint(("visual student",)))
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_a_missing_checkpoint_says_which_are_known(tmp_path: Path) -> None:
    for name in ("starer", str(tmp_path / "nowhere.safetensors"), str(tmp_path)):
        message = refusal(name, card_too=True)
        assert "one of: starter" in message


def test_the_starter_is_known_by_name() -> None:
    path = locate_checkpoint("starter")
    assert path.name == "starter.safetensors"
    assert path.parent.parent == Path(avadclip.__file__).parent


def test_a_file_cut_off_anywhere_is_refused(written: Path) -> None:
    content = written.read_bytes()
    for length in (0, 4, 8, 1000, len(content) // 2, len(content) - 1):
        written.write_bytes(content[:length])
        assert "cannot be read as a checkpoint" in refusal(written, card_too=length < 1000)


def test_other_files_are_refused(tmp_path: Path) -> None:
    features = SnippetFeatures(
        np.zeros((1, 2, 10), np.float32), None, 1.3, provenance=PROVENANCE, source_sha256="ab" * 32
    )
    feature_file = tmp_path / "video.safetensors"
    write_features(feature_file, features)
    assert "holds features" in refusal(feature_file, card_too=True)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, foreign)
    assert "no avadclip checkpoint" in refusal(foreign, card_too=True)
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    assert "cannot be read as a checkpoint" in refusal(text, card_too=True)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_pickles_are_refused_and_not_run(tmp_path: Path) -> None:
    for legacy in (True, False):
        path, boom = tmp_path / f"weights{legacy}.pt", tmp_path / "boom"
        torch.save({"weight": Bomb(boom)}, path, _use_new_zipfile_serialization=not legacy)
        refusal(path, card_too=True)
        assert not boom.exists()


@pytest.mark.parametrize(
    "header", ["", "not json", "[]", "3", "null", '{"classes": 1}', '{"classes": [], "format": 1}']
)
def test_a_damaged_header_is_refused(written: Path, header: str) -> None:
    tensors, _ = parts_of(written)
    rewrite(written, tensors, header)
    refusal(written, card_too=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"thresholds": {"grandmaster": {"detection": 0.5, "alert": None}}},
        {"network": {"variant": "printed"}},
        {"encoder_options": {"num_crops": 3}},
        {"visual_dim": "wide"},
        {"visual_dim": -1},
        {"audio_dim": 10**12},
        {"surprise": 1},
        {"selection": "validation"},
        {"selection": {"teacher": "validation"}},  # and nothing of the other networks inside
    ],
)
def test_a_header_with_values_nobody_knows_is_refused(written: Path, changes: dict) -> None:
    tensors, header = parts_of(written)
    rewrite(written, tensors, {**header, **changes})
    refusal(written, card_too=True)


def test_a_refused_header_is_said_by_key_and_reason(written: Path) -> None:
    tensors, header = parts_of(written)
    rewrite(written, tensors, {**header, "visual_dim": -1})
    assert "in its header `visual_dim` is -1: input should be greater than or equal to 0" in refusal(written)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["teacher/classifier.classify.bias", "audio student/class_features"])
def test_weights_that_are_no_numbers_are_refused_by_name(written: Path, name: str, value: float) -> None:
    tensors, header = parts_of(written)
    tensors[name].flatten()[-1] = value
    rewrite(written, tensors, header)
    assert f"{name} holds a number that is not finite" in refusal(written)


def test_other_format_versions_are_refused_with_what_to_do(written: Path) -> None:
    tensors, header = parts_of(written)
    rewrite(written, tensors, {**header, "format": 2})
    message = refusal(written, card_too=True)
    assert "checkpoint format 2" in message
    assert "update avadclip" in message


def test_missing_tensors_are_refused_with_their_names(written: Path) -> None:
    tensors, header = parts_of(written)
    for missing, said in (
        ("teacher/classifier.classify.weight", "classifier.classify.weight"),
        (
            "audio student/class_features",
            "the audio student does not fit its own header (class_features is none, needed [3, 8])",
        ),
    ):
        rewrite(written, {name: tensor for name, tensor in tensors.items() if name != missing}, header)
        assert said in refusal(written)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("teacher/classifier.classify.weight", (1, 9)),
        ("teacher/encoder.visual_temporal.position_embedding", (255, 8)),
        ("visual student/encoder.projection.linear.weight", (8, 11)),
        ("visual student/class_features", (2, 8)),
        ("visual student/class_features", (3, 9)),
        ("visual student/unheard_of", (1,)),
    ],
)
def test_tensors_of_other_shapes_or_names_are_refused(written: Path, name: str, shape: tuple[int, ...]) -> None:
    tensors, header = parts_of(written)
    rewrite(written, {**tensors, name: torch.zeros(shape)}, header)
    assert name.partition("/")[0] in refusal(written)


def test_a_header_that_promises_other_networks_is_refused(written: Path) -> None:
    checkpoint = make_checkpoint(("visual student",))
    of_three = make_checkpoint().header
    header = checkpoint.header.model_copy(update={"thresholds": of_three.thresholds, "selection": of_three.selection})
    save_checkpoint(written, dataclasses.replace(checkpoint, header=header))
    assert "the teacher" in refusal(written)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 3000), value=st.integers(0, 255))
def test_a_damaged_byte_in_the_header_gives_a_checkpoint_or_one_line(written: Path, position: int, value: int) -> None:
    pristine = written.with_suffix(".pristine")
    if not pristine.exists():
        save_checkpoint(pristine, make_checkpoint(("visual student",)))
    content = bytearray(pristine.read_bytes())
    content[position] = value
    written.write_bytes(content)
    try:
        load_checkpoint(written)
    except CheckpointError as error:
        assert "\n" not in str(error)  # noqa: PT017
