"""Files that version 0.1.0 wrote are read, and give what they gave; make_files.py made them and expected.json."""

import csv
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from avadclip.apps.archive.job import made_by
from avadclip.apps.archive.manifest import MANIFEST, open_manifest
from avadclip.apps.archive.old_manifest import OLD_MANIFEST
from avadclip.apps.archive.storage import Storage
from avadclip.apps.live.ledger import Ledger
from avadclip.apps.service.schemas import EventQuery, LiveEventQuery
from avadclip.apps.service.store.store import Store
from avadclip.config import TrainingConfig, read_config
from avadclip.encoders.load import load_encoders
from avadclip.errors import ConfigError
from avadclip.features.extract import provenance_of
from avadclip.features.snippets import SnippetFeatures
from avadclip.features.store import read_features
from avadclip.inference.checkpoint import load_checkpoint, save_checkpoint
from avadclip.inference.networks import STUDENTS
from avadclip.inference.scoring import score_features, student_variance
from avadclip.report.documents import read_detections
from avadclip.report.exports import EVENT_FIELDS, to_csv, to_document
from avadclip.timeline import SnippetGrid
from avadclip.training.experiment import train

FILES = Path(__file__).parent / "files_of_0_1_0"
EXPECTED = json.loads((FILES / "expected.json").read_text(encoding="utf-8"))
SYSTEM_TENSORS = json.loads((FILES / "system_tensors.json").read_text(encoding="utf-8"))
CHECKPOINTS = EXPECTED["checkpoints"]
OLD_HEAD = "uncertainty."  # of students of the variant `paper`
NO_SOUNDS = {"kind": "model", "sounds": []}  # what later versions add to an event
NO_MEDIA = {"has_picture": False, "has_recording": False}
NO_VERDICT = {"verdict": None, "correct_label": None}


def renamed(header: dict[str, Any]) -> dict[str, Any]:
    """As it is read today: the encoders that 0.1.0 called `lite` are `lite-1`, features kept their scales,
    and no default is named."""
    network = {**header["network"], "layer_norm": False, "adapter_residual": False}
    encoders = "lite-1" if header["encoders"] == "lite" else header["encoders"]
    return {**header, "encoders": encoders, "network": network, "default": None}


def random_features(described: dict[str, Any]) -> SnippetFeatures:
    random = np.random.default_rng(described["seed"])
    visual = random.standard_normal((1, described["num_snippets"], described["visual_dim"]), dtype=np.float32)
    audio = random.standard_normal((described["num_snippets"], described["audio_dim"]), dtype=np.float32)
    digest = hashlib.sha256(visual.tobytes() + audio.tobytes()).hexdigest()
    assert digest == described["sha256"], "NumPy draws other numbers than it did"
    return SnippetFeatures(visual, audio, described["num_snippets"] * SnippetGrid().snippet_seconds, provenance=None)


def check_scores(trained: Any, features: SnippetFeatures, expected: dict[str, Any], *, crop: int = 0) -> None:
    found = score_features(trained, features, crop=crop)
    np.testing.assert_allclose(found.anomaly_scores, expected["anomaly"], rtol=0, atol=1e-5)
    assert (found.class_probabilities is None) == (expected["classes"] is None)
    if found.class_probabilities is not None:
        np.testing.assert_allclose(found.class_probabilities, expected["classes"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints_score_as_they_did(name: str) -> None:
    checkpoint = load_checkpoint(FILES / "checkpoints" / f"{name}.safetensors")
    assert checkpoint.header.model_dump(mode="json") == renamed(CHECKPOINTS[name]["header"])
    assert list(checkpoint.networks) == list(CHECKPOINTS[name]["networks"])
    with_sound = read_features(FILES / "features" / "with_sound.safetensors")
    five_crops = read_features(FILES / "features" / "five_crops.safetensors")
    for kind, expected in CHECKPOINTS[name]["networks"].items():
        trained = checkpoint.networks[kind]
        is_headless = kind in STUDENTS and checkpoint.header.network.variant == "paper"
        tensors = {key: shape for key, shape in expected["tensors"].items() if not (is_headless and OLD_HEAD in key)}
        assert {key: list(tensor.shape) for key, tensor in trained.tensors().items()} == tensors
        check_scores(trained, with_sound, expected["with_sound"])
        check_scores(trained, five_crops, expected["five_crops, crop 3"], crop=3)
        check_scores(trained, random_features(EXPECTED["random_features"]), expected["random_features"])
        assert trained.has_uncertainty == (kind in STUDENTS and not is_headless)
        assert [f"no sigma^2 of the {kind}" in note for note in trained.notes] == [True] * is_headless


def test_a_student_without_its_old_head_is_saved_and_loaded_as_it_is(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(FILES / "checkpoints" / "own.safetensors")
    save_checkpoint(tmp_path / "again.safetensors", checkpoint)
    again = load_checkpoint(tmp_path / "again.safetensors")
    with_sound = read_features(FILES / "features" / "with_sound.safetensors")
    for kind in STUDENTS:
        before, after = checkpoint.networks[kind], again.networks[kind]
        assert before.tensors().keys() == after.tensors().keys()
        assert all(torch.equal(tensor, after.tensors()[name]) for name, tensor in before.tensors().items())
        assert before.notes == after.notes != ()
        for network in (before, after):
            with pytest.raises(ValueError, match="no uncertainty head"):
                student_variance(network, with_sound)


@pytest.mark.parametrize("num_snippets", EXPECTED["starter"]["random_features"])
def test_the_starter_scores_as_it_did(num_snippets: str) -> None:
    starter = load_checkpoint("starter-1")
    header = renamed(EXPECTED["starter"]["header"]) | {"name": "starter-1"}  # `starter` is another one by now
    assert starter.header.model_dump(mode="json", exclude={"card"}) == header
    expected = EXPECTED["starter"]["random_features"][num_snippets]
    for kind, scores in expected["networks"].items():
        check_scores(starter.networks[kind], random_features(expected), scores)


def test_an_archive_made_with_the_lite_encoders_is_still_current() -> None:
    provenance = provenance_of(load_encoders("lite-1"), SnippetGrid()).model_dump(mode="json")
    assert provenance == EXPECTED["starter"]["lite"]["provenance"]
    assert made_by(provenance) == EXPECTED["starter"]["lite"]["made_by"]


@pytest.mark.parametrize("system", SYSTEM_TENSORS["systems"])
def test_comparison_systems_score_as_they_did(system: str, tmp_path: Path) -> None:
    """A file as 0.1.0 wrote them: names and shapes are recorded, and the weights follow a rule (FILLING there)."""
    expected = SYSTEM_TENSORS["systems"][system]
    random = np.random.default_rng(SYSTEM_TENSORS["weights"]["seed"])
    tensors = {}
    for name, (shape, dtype) in expected["tensors"].items():
        if dtype == "int64":
            tensors[f"{system}/{name}"] = torch.zeros(shape, dtype=torch.int64)
            continue
        values = random.standard_normal(shape, dtype=np.float32)
        if name.endswith("running_var"):
            values = np.ones_like(values)
        elif len(shape) >= 2:
            values = values / np.float32(np.sqrt(np.prod(shape[1:])))
        else:
            values = np.float32(0.1) * values + np.float32(name.endswith("weight"))
        tensors[f"{system}/{name}"] = torch.from_numpy(values)
    with safe_open(FILES / "checkpoints" / "deep-mil.safetensors", framework="pt") as file:
        metadata = {"avadclip": file.metadata()["avadclip"].replace('"deep-mil":', f'"{system}":')}
    save_file(tensors, tmp_path / "system.safetensors", metadata=metadata)
    trained = load_checkpoint(tmp_path / "system.safetensors").networks[system]
    assert trained.uses_audio == expected["hears"]
    check_scores(trained, random_features(SYSTEM_TENSORS["features"]), expected["random_features"])


@pytest.mark.parametrize("name", EXPECTED["features"])
def test_feature_files_are_read(name: str) -> None:
    features, expected = read_features(FILES / "features" / f"{name}.safetensors"), EXPECTED["features"][name]
    for rows, described in ((features.visual, expected["visual"]), (features.audio, expected["audio"])):
        assert (rows is None) == (described is None)
        if rows is not None:
            assert list(rows.shape) == described["shape"]
            assert rows.sum(dtype=np.float64) == pytest.approx(described["sum"], abs=1e-9)
            np.testing.assert_array_equal([rows.flat[0], rows.flat[-1]], np.float32(described["corners"]))
    for field in ("duration_seconds", "sound_is_silent", "source_sha256"):
        assert getattr(features, field) == expected[field]
    assert list(features.notes) == expected["notes"]
    assert features.provenance.model_dump(mode="json") == expected["provenance"]


@pytest.mark.parametrize("name", EXPECTED["results"])
def test_results_are_read_and_written_the_same_again(name: str) -> None:
    expected, path = EXPECTED["results"][name], FILES / "results" / f"{name}.json"
    [detection] = read_detections(path)
    document = to_document(detection, include_scores=True)
    written = json.loads(path.read_text(encoding="utf-8"))
    events = [event | NO_SOUNDS for event in expected["events"]]
    sound = written["media"]["sound"] and {**written["media"]["sound"], "track": None}
    added = {
        "media": {**written["media"], "sound": sound},
        "rules": {**written["rules"], "sounds": None},
        "sounds": None,
        "sound_summary": None,
        "events": events,
    }
    assert document == {**written, **added, "tool": document["tool"]}
    assert [event | NO_SOUNDS for event in written["events"]] == events
    assert [document[key] for key in ("network", "modality", "peak_score")] == [
        expected[key] for key in ("network", "modality", "peak_score")
    ]
    table = (FILES / "results" / f"{name}_events.csv").read_bytes().decode()
    before = next(csv.reader(table.splitlines()))
    assert list(EVENT_FIELDS) == [*before, *NO_SOUNDS]
    rows = csv.DictReader(to_csv(detection.events).splitlines())
    assert [{key: row[key] for key in before} for row in rows] == list(csv.DictReader(table.splitlines()))


def test_the_manifest_of_an_archive_is_converted(tmp_path: Path) -> None:
    shutil.copy(FILES / "archive" / OLD_MANIFEST, tmp_path)
    notes: list[str] = []
    for _ in range(2):  # the second time it is in the new format
        with open_manifest(Storage(str(tmp_path)), notes.append) as manifest:
            rows = [vars(manifest.get(expected["source"])) for expected in EXPECTED["manifest"]]
        assert rows == EXPECTED["manifest"]
    assert notes == [f"{tmp_path / OLD_MANIFEST} was converted to {MANIFEST} (5 videos)"]
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST]


def test_the_database_of_a_service_is_read(tmp_path: Path) -> None:
    shutil.copy(FILES / "service" / "avadclip.sqlite", tmp_path)  # opened, it is migrated
    store = Store(f"sqlite:///{tmp_path / 'avadclip.sqlite'}")
    expected = EXPECTED["service"]
    jobs = [{**job.model_dump(mode="json"), "path": job.path} for job in store.jobs(limit=100)[0]]
    assert jobs == expected["jobs"]
    assert [event.model_dump(mode="json") for event in store.events(EventQuery())[0]] == [
        event | NO_SOUNDS | NO_VERDICT for event in expected["events"]
    ]
    live = store.live_events(LiveEventQuery())[0]
    assert [{**event.model_dump(mode="json"), "number": event.number} for event in live] == [
        event | NO_SOUNDS | NO_MEDIA | NO_VERDICT for event in expected["live_events"]
    ]
    assert [entry.model_dump(mode="json") for entry in store.audit(limit=100)[0]] == expected["audit"]
    store.close()


def test_the_state_of_a_watch_is_read(tmp_path: Path) -> None:
    shutil.copy(FILES / "live" / "watch.sqlite", tmp_path)
    ledger, expected = Ledger(tmp_path), EXPECTED["live"]
    assert ledger.count_waiting(expected["sink"]) == 1
    assert ledger.next_waiting(expected["sink"])._asdict() == expected["waiting"]
    for message, before in zip(ledger.open_events(), expected["open_events"], strict=True):
        parts = {part: before[part] and _renamed_picture(before[part]) | NO_SOUNDS for part in ("before", "after")}
        assert message.model_dump(mode="json") == before | parts
    ledger.close()


def _renamed_picture(event: dict[str, Any]) -> dict[str, Any]:
    others = {key: value for key, value in event.items() if key != "snapshot"}
    return others | {"picture": event["snapshot"], "picture_link": None}


def test_an_interrupted_run_is_refused_in_one_line(tmp_path: Path) -> None:
    """The only thing of 0.1.0 that is not read: the state of a training that was stopped midway."""
    shutil.copytree(FILES / "run", tmp_path / "run")
    config = read_config(tmp_path / "run" / "config.toml", TrainingConfig)
    expected = EXPECTED["run"]["config"]
    distillation = {**expected["distillation"], "damaged_share": 0.0}
    network = {**expected["network"], "layer_norm": True, "adapter_residual": True}
    bags = {**expected["bags"], "long": "pool"}
    optimizer = {**expected["optimizer"], "cosine_epochs": None}
    changed = {"network": network, "distillation": distillation, "bags": bags, "optimizer": optimizer}
    assert config.model_dump(mode="json") == {**expected, **changed}
    with pytest.raises(ConfigError, match="holds the state of another version of this network; choose another --out"):
        train(config, out=tmp_path / "run")
