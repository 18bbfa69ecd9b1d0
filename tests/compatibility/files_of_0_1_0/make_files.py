"""Make files as avadclip 0.1.0 writes them, and the values they must give for ever after.

Usage: python make_files.py OUT, with avadclip 0.1.0 on the path. Every number comes from fixed seeds and times. The
files are checked in, so this script runs again only to add one; it refuses any other version.
"""

import contextlib
import dataclasses
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from avadclip.archive.job import made_by
from avadclip.archive.manifest import Manifest, Row
from avadclip.archive.storage import Storage
from avadclip.checkpoint import Checkpoint, CheckpointHeader, load_checkpoint, save_checkpoint
from avadclip.live.ledger import Ledger
from avadclip.live.messages import EventMessage, LiveEvent
from avadclip.nn.models import TrainedNetwork, build_network
from avadclip.scorers import TrainedScorer
from avadclip.scoring import score_features, student_variance
from avadclip.service.schemas import (
    AuditEntry,
    EventQuery,
    Job,
    JobState,
    LiveEventQuery,
    Origin,
    StoredEvent,
    StoredLiveEvent,
)
from avadclip.service.store import Store
from numpy.typing import NDArray
from torch import Tensor

import avadclip
from avadclip.baselines.build import SYSTEMS, build_system
from avadclip.config import NetworkConfig, NetworkKind, TrainingConfig
from avadclip.detection import Detector
from avadclip.encoders.base import Encoders, Identity
from avadclip.encoders.load import load_encoders
from avadclip.events import Thresholds
from avadclip.features.extract import provenance_of
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.features.store import write_features
from avadclip.media.probe import MediaInfo, SoundInfo
from avadclip.report.exports import to_csv, to_json
from avadclip.timeline import SnippetGrid
from avadclip.training.experiment import run_training
from avadclip.training.loop import Step

VERSION = "0.1.0"
CLASSES = ("normal", "fighting", "riot")
VISUAL_DIM, AUDIO_DIM, EMBED_DIM = 24, 20, 16
SHORT, LONG = 20, 300  # snippets; the longer one is more than a window of 256
LONG_SEED, STARTER_SEED, SYSTEM_SEED = 300, 40, 7
NOW = 1_764_547_200.0  # 2025-12-01 00:00 UTC
GRID = SnippetGrid()
VISUAL: Identity = {"name": "lite", "weights_sha256": "ab" * 32, "frame_offsets": [0, 4], "num_crops": 1, "version": 1}
AUDIO: Identity = {"name": "log-mel", "window_seconds": 1.0, "normalisation": "none", "version": 1}
PROVENANCE = Provenance(grid=GRID, visual=VISUAL, audio=AUDIO)

Json = dict[str, Any]
Rows = NDArray[np.float32]


def main(out: Path) -> None:
    """Write everything below a folder."""
    if avadclip.__version__ != VERSION:
        raise SystemExit(f"needed avadclip {VERSION}, found {avadclip.__version__}")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    features = make_features(out / "features")
    checkpoints = make_checkpoints(out / "checkpoints", features["with_sound"])
    expected = {
        "made_by": f"avadclip {VERSION}",
        "random_features": {"seed": LONG_SEED, **describe(random_features(LONG_SEED, LONG, VISUAL_DIM, AUDIO_DIM))},
        "checkpoints": {name: expect_checkpoint(checkpoint, features) for name, checkpoint in checkpoints.items()},
        "starter": expect_starter(),
        "features": {name: expect_features(held) for name, held in features.items()},
        "results": make_results(out / "results", checkpoints["own"], features),
        "manifest": make_manifest(out / "archive"),
        "service": make_service(out / "service"),
        "live": make_live(out / "live"),
        "run": make_run(out / "run"),
    }
    write_json(out / "expected.json", expected)
    write_json(out / "system_tensors.json", expect_systems())


# features


def random_features(seed: int, num_snippets: int, visual_dim: int, audio_dim: int) -> SnippetFeatures:
    """White noise: first all of the picture's numbers, then the sound's."""
    random = np.random.default_rng(seed)
    visual = random.standard_normal((1, num_snippets, visual_dim), dtype=np.float32)
    audio = random.standard_normal((num_snippets, audio_dim), dtype=np.float32)
    return SnippetFeatures(visual, audio, num_snippets * GRID.snippet_seconds, provenance=None)


def describe(features: SnippetFeatures) -> Json:
    """Shapes of random features, and a hash that tells whether NumPy still draws the same numbers."""
    assert features.audio is not None
    num_snippets, visual_dim = features.visual.shape[1:]
    digest = hashlib.sha256(features.visual.tobytes() + features.audio.tobytes()).hexdigest()
    return {
        "num_snippets": num_snippets,
        "visual_dim": visual_dim,
        "audio_dim": features.audio.shape[1],
        "sha256": digest,
    }


def make_features(folder: Path) -> dict[str, SnippetFeatures]:
    """Feature files of three made-up videos."""
    random = np.random.default_rng(1)

    def rows(dim: int, num_crops: int | None = None) -> Rows:
        """Noise around two levels, so that something begins and ends."""
        shape = (SHORT, dim) if num_crops is None else (num_crops, SHORT, dim)
        happens = np.repeat([0, 1, 0, 1, 0], (4, 5, 4, 3, 4))[:, None]
        values = 0.4 * random.standard_normal(shape) + 2.0 * happens * random.standard_normal(dim)
        return values.astype(np.float32)

    five = PROVENANCE.model_copy(update={"visual": {**VISUAL, "num_crops": 5}})
    seconds = SHORT * GRID.snippet_seconds + 0.2
    made = {
        "with_sound": SnippetFeatures(
            rows(VISUAL_DIM, 1), rows(AUDIO_DIM), seconds, PROVENANCE, source_sha256="11" * 32
        ),
        "without_sound": SnippetFeatures(
            rows(VISUAL_DIM, 1), None, seconds, PROVENANCE, source_sha256="22" * 32, notes=("there is no sound track",)
        ),
        "five_crops": SnippetFeatures(
            rows(VISUAL_DIM, 5), rows(AUDIO_DIM), seconds, five, sound_is_silent=True, source_sha256="33" * 32
        ),
    }
    for name, features in made.items():
        write_features(folder / f"{name}.safetensors", features)
    return made


def expect_features(features: SnippetFeatures) -> Json:
    """What reading the file must give; a sum and the corners stand for the numbers."""

    def summary(rows: Rows) -> Json:
        corners = [rows.flat[0], rows.flat[-1]]
        return {"shape": list(rows.shape), "sum": float(rows.sum(dtype=np.float64)), "corners": numbers(corners)}

    assert features.provenance is not None
    return {
        "visual": summary(features.visual),
        "audio": None if features.audio is None else summary(features.audio),
        "duration_seconds": features.duration_seconds,
        "sound_is_silent": features.sound_is_silent,
        "source_sha256": features.source_sha256,
        "notes": list(features.notes),
        "provenance": features.provenance.model_dump(mode="json"),
    }


# checkpoints


def make_checkpoints(folder: Path, features: SnippetFeatures) -> dict[str, Checkpoint]:
    """One of AVadCLIP's three networks, one as released, one with parts left out, and the smallest system."""
    own = ("teacher", "visual student", "audio student")
    students_too = own[:2]
    shapes = {
        "own": (own, NetworkConfig(embed_dim=EMBED_DIM, enhancement_blocks=1)),
        "released": (students_too, NetworkConfig(embed_dim=EMBED_DIM, variant="released")),
        "own_plain": (
            own[:1],
            NetworkConfig(embed_dim=EMBED_DIM, fusion="concat", audio_visual_prompt=False, enhancement_blocks=1),
        ),
        "deep-mil": (("deep-mil",), NetworkConfig()),
    }
    made = {}
    for name, (kinds, network) in shapes.items():
        networks = {kind: build(kind, network, features) for kind in kinds}
        checkpoint = Checkpoint(header(name, kinds, network), networks)
        save_checkpoint(folder / f"{name}.safetensors", checkpoint)
        made[name] = checkpoint
    return made


def header(name: str, kinds: tuple[NetworkKind, ...], network: NetworkConfig) -> CheckpointHeader:
    """Of a made-up checkpoint."""
    return CheckpointHeader(
        name=f"{name} of {VERSION}",
        classes=CLASSES,
        encoders="lite",
        features=PROVENANCE,
        visual_dim=VISUAL_DIM,
        audio_dim=AUDIO_DIM,
        network=network,
        thresholds={kind: Thresholds(0.5, None if kind == "audio student" else 0.7) for kind in kinds},
        selection={kind: "last" if kind == "audio student" else "validation" for kind in kinds},
        card=f"# {name}\n\nRandom weights, for tests. Größe: klein.\n",
    )


def build(kind: NetworkKind, network: NetworkConfig, features: SnippetFeatures) -> Any:
    """A network whose every weight counts, and whose scores spread over these features."""
    if kind in SYSTEMS:
        system = build_system(kind, visual_dim=VISUAL_DIM, audio_dim=AUDIO_DIM, num_classes=len(CLASSES)).frozen()
        shapes = {name: (list(tensor.shape), tensor.dtype) for name, tensor in system.tensors().items()}
        return system.with_tensors(filled(shapes, SYSTEM_SEED))
    torch.manual_seed(0)
    trained = TrainedNetwork(
        build_network(kind, network, visual_dim=VISUAL_DIM, audio_dim=AUDIO_DIM).eval().requires_grad_(False),
        torch.randn(len(CLASSES), network.embed_dim),
    )
    random = torch.Generator().manual_seed(1)
    for name, tensor in trained.network.state_dict().items():
        noise = torch.randn(tensor.shape, generator=random)
        if name.endswith("deviation"):
            tensor.copy_(0.5 + noise.abs())
        else:
            tensor.add_(0.2 * noise)
    centre(trained, features)
    return trained


def centre(trained: TrainedNetwork, features: SnippetFeatures) -> None:
    """Shift and scale the anomaly logits to about 0 and 1, so that no score stands at its end."""
    classifier = trained.network.classifier
    logits: list[Tensor] = []
    hook = classifier.register_forward_hook(lambda _module, _inputs, output: logits.append(output))
    score_features(trained, features)
    hook.remove()
    mean, deviation = logits[0][:, : len(features)].mean(), logits[0][:, : len(features)].std()
    classifier.classify.weight.data.div_(deviation)
    classifier.classify.bias.data.sub_(mean).div_(deviation)


def filled(shapes: Mapping[str, tuple[list[int], torch.dtype]], seed: int) -> dict[str, Tensor]:
    """The weights that stand in for a file too large to keep; the rule is spelled out in system_tensors.json."""
    random = np.random.default_rng(seed)
    tensors = {}
    for name, (shape, dtype) in shapes.items():
        if not dtype.is_floating_point:
            tensors[name] = torch.zeros(shape, dtype=dtype)
            continue
        values = random.standard_normal(shape, dtype=np.float32)
        if name.endswith("running_var"):
            values = np.ones_like(values)
        elif len(shape) >= 2:
            values = values / np.float32(np.sqrt(np.prod(shape[1:])))
        else:
            values = np.float32(0.1) * values + np.float32(name.endswith("weight"))
        tensors[name] = torch.from_numpy(np.asarray(values, dtype=np.float32))
    return tensors


FILLING = (
    "numpy default_rng(seed), one for each system; tensors in the order listed. int64: zeros, nothing drawn. Else "
    "z = standard_normal(shape, float32), and running_var: ones; two axes or more: z / sqrt(prod(shape[1:])); "
    "one axis: 0.1 z, plus 1 where the name ends in `weight`."
)


def expect_checkpoint(checkpoint: Checkpoint, features: Mapping[str, SnippetFeatures]) -> Json:
    """Header, names and shapes of the tensors, and the scores of every network."""
    long = random_features(LONG_SEED, LONG, VISUAL_DIM, AUDIO_DIM)
    networks = {}
    for kind, trained in checkpoint.networks.items():
        networks[kind] = {
            "tensors": {name: list(tensor.shape) for name, tensor in trained.tensors().items()},
            "with_sound": scores(trained, features["with_sound"]),
            "five_crops, crop 3": scores(trained, features["five_crops"], crop=3),
            "random_features": scores(trained, long),
        }
        if "student" in kind:
            networks[kind]["variance of with_sound"] = numbers(student_variance(trained, features["with_sound"]))
    return {"header": checkpoint.header.model_dump(mode="json"), "networks": networks}


def expect_starter() -> Json:
    """Scores of the checkpoint in the package, and what results made with it are known by."""
    checkpoint = load_checkpoint("starter")
    head = checkpoint.header
    by_length = {}
    for num_snippets in (40, LONG):
        random = random_features(STARTER_SEED, num_snippets, head.visual_dim, head.audio_dim)
        networks = {kind: scores(trained, random) for kind, trained in checkpoint.networks.items()}
        by_length[str(num_snippets)] = {"seed": STARTER_SEED, **describe(random), "networks": networks}
    encoders = load_encoders("lite")
    identity = provenance_of(encoders, head.features.grid).model_dump(mode="json")
    return {
        "header": head.model_dump(mode="json", exclude={"card"}),
        "random_features": by_length,
        "lite": {"provenance": identity, "made_by": made_by(identity)},
    }


def expect_systems() -> Json:
    """Every comparison system: names, shapes and types of its tensors, and its scores with weights made by rule."""
    widths = {"visual_dim": VISUAL_DIM, "audio_dim": AUDIO_DIM, "num_classes": len(CLASSES)}
    long = random_features(LONG_SEED, LONG, VISUAL_DIM, AUDIO_DIM)
    systems = {}
    for kind in SYSTEMS:
        system = build_system(kind, **widths).frozen()
        tensors = {name: (list(tensor.shape), tensor.dtype) for name, tensor in system.tensors().items()}
        systems[kind] = {
            "hears": system.hears,
            "tensors": {name: [shape, str(dtype).removeprefix("torch.")] for name, (shape, dtype) in tensors.items()},
            "random_features": scores(system.with_tensors(filled(tensors, SYSTEM_SEED)), long),
        }
    features = {"seed": LONG_SEED, **describe(long)}
    weights = {"seed": SYSTEM_SEED, "rule": FILLING}
    return {"widths": widths, "features": features, "weights": weights, "systems": systems}


def scores(trained: Any, features: SnippetFeatures, *, crop: int = 0) -> Json:
    """Anomaly scores and class probabilities, in full."""
    found = score_features(trained, features, crop=crop)
    classes = found.class_probabilities
    return {
        "anomaly": numbers(found.anomaly_scores),
        "classes": None if classes is None else [numbers(row) for row in classes],
    }


# results


class NamedOnly:
    """An encoder that nobody asks to encode."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def identity(self) -> Identity:
        """See encoders.base.Identity."""
        return self._identity


def make_results(folder: Path, checkpoint: Checkpoint, features: Mapping[str, SnippetFeatures]) -> Json:
    """A result of the teacher with both students beside it, and one of the visual student alone."""
    folder.mkdir(parents=True, exist_ok=True)
    encoders = Encoders("lite", NamedOnly(VISUAL), NamedOnly(AUDIO), None)  # type: ignore[arg-type]
    detector = Detector(TrainedScorer(checkpoint, device=torch.device("cpu")), encoders, grid=GRID)
    videos = {
        "audio_visual": ("with_sound", "gate.mp4", SoundInfo(48000, 2, "stereo")),
        "visual": ("without_sound", "yard.mkv", None),
    }
    expected = {}
    for name, (held, source, sound) in videos.items():
        media = MediaInfo(Path(source), features[held].duration_seconds, 25.0, 1280, 720, 0, sound, ())
        detection = detector.judge(features[held], media, source=source, threshold=0.6)
        if detection.events:
            first = dataclasses.replace(detection.events[0], snapshot=f"{name}/0001.jpg")
            detection = dataclasses.replace(detection, events=(first, *detection.events[1:]))
        (folder / f"{name}.json").write_text(to_json(detection, include_scores=True), encoding="utf-8")
        (folder / f"{name}_events.csv").write_bytes(to_csv(detection.events).encode())
        expected[name] = {
            "network": detection.network,
            "modality": detection.modality,
            "peak_score": round(float(detection.track.scores.max()), 6),
            "events": json.loads(to_json(detection))["events"],
        }
    return expected


# archive


def make_manifest(folder: Path) -> list[Json]:
    """Videos that are done, failed, and never begun."""
    finished = datetime(2025, 12, 1, 8, 30, tzinfo=UTC)
    done = {"source_version": "1764547200000000000", "made_by": "5e" * 32, "attempts": 1}
    rows = [
        Row("/videos/a.mp4", "done", None, 12.5, source_bytes=1000, source_sha256="aa" * 32,
            output="/results/a.safetensors", output_bytes=4000, finished_at=finished, **done),
        Row("s3://bucket/b.mkv", "done", None, 7.25, source_bytes=2**33, source_sha256="bb" * 32,
            output="s3://results/b.safetensors", output_bytes=5000, finished_at=finished + timedelta(hours=1), **done),
        Row("/videos/broken.mp4", "failed", "/videos/broken.mp4 cannot be opened as a video; check the file", 0.5, 3,
            source_bytes=10, source_version="1", finished_at=finished),
        Row("/videos/Straße 7.mp4", "failed", "the worker died 3 times", 90.0, 3, source_bytes=99),
        Row("/videos/later.mp4", "pending", source_bytes=77, source_version="2"),
    ]  # fmt: skip
    manifest = Manifest(Storage(str(folder.absolute())))
    for row in rows:
        manifest.put(row)
    manifest.save()
    return [
        {**vars(row), "finished_at": row.finished_at and row.finished_at.isoformat(timespec="seconds")} for row in rows
    ]


# service


def make_service(folder: Path) -> Json:
    """A store with jobs that are done, failed and waiting, events of a camera, and audit entries."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "avadclip.sqlite"
    path.unlink(missing_ok=True)
    store = Store(f"sqlite:///{path.absolute()}")
    done, failed, waiting = "1" * 32, "2" * 32, "3" * 32
    event = {"label": "fighting", "severity": "alert", "modality": "audio-visual", "model": "starter"}
    event |= {"threshold": 0.68, "source": "gate.mp4", "job_id": done}
    found = [
        StoredEvent(id="1" * 12 + "-0001", score=0.91, start=2.0, end=8.0, sound_gain=0.2, picture_gain=-0.05, **event),
        StoredEvent(id="1" * 12 + "-0002", score=0.7, start=9.5, end=11.0, sound_gain=None, picture_gain=None,
                    **event | {"severity": "detection"}),
    ]  # fmt: skip
    with mock.patch("time.time", return_value=NOW + 60.0):
        store.add_job(new_job(done, "gate.mp4", Origin.UPLOAD, NOW))
        store.add_job(new_job(failed, "broken.mp4", Origin.FOLDER, NOW + 1.0))
        store.finish(claim(store), found, peak_score=0.91, duration_seconds=13.5, network="teacher")
        store.fail(claim(store), "broken.mp4 cannot be opened as a video; check the file")
        store.add_job(new_job(waiting, "later.mp4", Origin.URL, NOW + 2.0))
    camera = {"source": "yard", "label": "riot", "model": "starter", "threshold": 0.57}
    ended = {"number": 2, "score": 0.8, "start": NOW, "end": NOW + 9.0, "severity": "detection", "modality": "visual"}
    ended |= {"is_open": False, "note": "the camera went away", "sound_gain": None}
    going_on = {"number": 0, "score": 0.95, "start": NOW + 20.0, "end": None, "severity": "alert"}
    going_on |= {"modality": "audio-visual", "is_open": True, "note": None, "sound_gain": 0.3}
    store.keep_live_event(StoredLiveEvent.model_validate({"id": "yard-1", **ended, **camera}))
    store.keep_live_event(StoredLiveEvent.model_validate({"id": "yard-2", **going_on, **camera}))
    client = {"who": "office", "address": "192.0.2.7"}
    store.add_audit(AuditEntry(at=NOW, method="POST", path="/api/jobs", status=201, job_id=done, **client))
    store.add_audit(AuditEntry(at=NOW + 5, method="GET", path="/api/events", status=403, job_id=None, **client))
    expected = read_store(store)
    store.close()
    return expected


def new_job(job_id: str, name: str, origin: Origin, created_at: float) -> Job:
    """A job that waits."""
    return Job(
        id=job_id,
        name=name,
        origin=origin,
        path=f"/srv/videos/{name}",
        size_bytes=2**33 + 1,
        state=JobState.QUEUED,
        requested_by="office",
        created_at=created_at,
    )


def claim(store: Store) -> Job:
    """The oldest waiting job, begun."""
    job = store.claim_next()
    assert job is not None
    return job


def read_store(store: Store) -> Json:
    """All that is in a store."""
    jobs, _ = store.jobs(limit=100)
    return {
        "jobs": [{**job.model_dump(mode="json"), "path": job.path} for job in jobs],
        "events": [event.model_dump(mode="json") for event in store.events(EventQuery())[0]],
        "live_events": [
            {**event.model_dump(mode="json"), "number": event.number}
            for event in store.live_events(LiveEventQuery())[0]
        ],
        "audit": [entry.model_dump(mode="json") for entry in store.audit(limit=100)[0]],
    }


# live


def make_live(folder: Path) -> Json:
    """The state folder of a watch that was killed: an event is open, and one message was not delivered yet."""
    (folder / "watch.sqlite").unlink(missing_ok=True)
    ledger = Ledger(folder)
    began = LiveEvent(
        id="yard-1764547200000", source="yard", label="riot", score=0.8, start=NOW, end=None, severity="detection",
        modality="audio-visual", model="starter", threshold=0.68, sound_gain=0.1, snapshot="yard/1764547200000.jpg",
    )  # fmt: skip
    grown = began.model_copy(update={"score": 0.9, "severity": "alert"})
    messages = [
        EventMessage(type="new", id=f"{began.id}.0", before=None, after=began),
        EventMessage(type="update", id=f"{began.id}.1", before=began, after=grown),
    ]
    with mock.patch("time.time", return_value=NOW + 1.0):
        ledger.record(messages[0], ["webhook"])
        delivered = ledger.next_waiting("webhook")
        assert delivered is not None
        ledger.forget(delivered)
        ledger.record(messages[1], ["webhook"])
        waiting = ledger.next_waiting("webhook")
        assert waiting is not None
        ledger.postpone(waiting, due=NOW + 5.0)
    waiting = ledger.next_waiting("webhook")
    assert waiting is not None
    expected = {
        "sink": "webhook",
        "waiting": waiting._asdict(),
        "open_events": [message.model_dump(mode="json") for message in ledger.open_events()],
    }
    ledger.close()
    return expected


# training


def make_run(folder: Path) -> Json:
    """A run of three epochs that was stopped in the second, and what it would have come to."""
    if folder.exists():
        shutil.rmtree(folder)
    config = TrainingConfig.model_validate(
        {
            "seed": 5,
            "data": {"source": "synthetic:tiny"},
            "network": {"embed_dim": 8, "input_dropout": 0.1},
            "optimizer": {"learning_rate": 3e-3, "batch_size": 16, "epochs": 3, "milestones": [2]},
        }
    )

    def stop(step: Step) -> None:
        if (step.epoch, step.step) == (2, 2):
            raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as name:
        whole = run_training(config, Path(name) / "whole").metrics
    with contextlib.suppress(KeyboardInterrupt):
        run_training(config, folder, on_step=stop)
    shutil.rmtree(folder / "tensorboard")  # names the machine; a resumed run makes a new one
    with tempfile.TemporaryDirectory() as name:
        again = shutil.copytree(folder, Path(name) / "again")
        assert run_training(config, again).metrics == whole
    return {"num_epochs_done": 1, "metrics": whole, "config": config.model_dump(mode="json")}


# writing


def numbers(values: Any) -> list[float]:
    """The shortest decimals that give the same float32 again."""
    return [float(str(value)) for value in np.asarray(values, dtype=np.float32)]


def write_json(path: Path, value: Any) -> None:
    """Indented, with a list of numbers on one line."""
    path.write_text(dump(value, "") + "\n", encoding="utf-8")


def dump(value: Any, indent: str) -> str:
    """JSON for people."""
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        pairs = [f"{deeper}{json.dumps(key)}: {dump(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(pairs) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return "[\n" + ",\n".join(deeper + dump(item, deeper) for item in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
