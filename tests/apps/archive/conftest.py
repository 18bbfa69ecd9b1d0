import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import av
import numpy as np
import pytest

import avadclip.apps.archive.run
from avadclip.apps.archive.job import ArchiveJob
from avadclip.apps.archive.pool import PartFinished
from avadclip.apps.archive.run import ArchiveOutcome, run_archive
from avadclip.apps.archive.scratch import PREFIX, sweep
from avadclip.apps.archive.sources import VideoSource, local_source
from avadclip.apps.archive.worker import ArchiveWorker, Unit
from avadclip.features.batch import extract_to_folder

from . import archive_jobs

RATE_HZ = 12
SOUND_HZ = 16_000
LONG_SECONDS = 21.3


@pytest.fixture(scope="session")  # s3fs keeps its connections, and cannot be told of another server
def s3_url() -> Iterator[str]:
    """A bucket of an S3 server on the loopback, known to this process and to all that it starts."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "tests")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import s3fs

        s3fs.S3FileSystem().mkdir("archive")
        yield "s3://archive"
    server.stop()


@pytest.fixture(scope="module")
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the file's processes put temporary files; by a short name, for Ray's sockets stand in it too."""
    tmp_path_factory.getbasetemp()  # chosen now: it outlives this folder, and must not lie in it
    with tempfile.TemporaryDirectory(prefix="avr-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.fixture(scope="module")
def ray_address(s3_url: str, temporary_folder: Path) -> Iterator[str]:
    """Ray with two cores, to which this process is connected."""
    import ray

    folder = str(temporary_folder / "ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, _temp_dir=folder)
    ray.cloudpickle.register_pickle_by_value(archive_jobs)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


RunTiny = Callable[..., list[ArchiveOutcome]]


@pytest.fixture
def run_tiny(ray_address: str, temporary_folder: Path, tmp_path: Path) -> RunTiny:
    """Runs an archive with tiny encoders and two workers; afterwards no temporary file may be left."""

    def run(sources: list[VideoSource], out: str | Path, **options: object) -> list[ArchiveOutcome]:
        job = archive_jobs.TinyJob(str(tmp_path / "log"))
        outcomes = list(run_archive(job, sources, str(out), **{"num_workers": 2, **options}))
        assert_no_scratch(temporary_folder)
        return outcomes

    return run


def assert_no_scratch(folder: Path) -> None:
    """Nothing is left, or only what the next worker on this machine takes away."""
    for _ in range(50):  # a process that was just killed may not be gone yet
        sweep()
        if not list(folder.glob(f"*{PREFIX}*")):
            break
        time.sleep(0.1)
    assert list(folder.glob(f"*{PREFIX}*")) == []


class HerePool:
    """In place of archive.pool.Pool: one worker, in this process, which neither dies nor hangs."""

    def __init__(self, cluster: None, job: ArchiveJob, out: str, **limits: object) -> None:  # noqa: ARG002
        self._worker = ArchiveWorker(job, out)
        self._finished: list[PartFinished] = []
        self.has_room = True

    def identity(self) -> dict:
        return self._worker.introduce()

    def submit(self, unit: Unit) -> None:
        self._finished.append(PartFinished(unit, self._worker.do(unit), 0.5))

    def wait(self, seconds: float) -> Iterator[PartFinished]:  # noqa: ARG002
        if self._finished:
            yield self._finished.pop(0)

    def close(self) -> None:
        assert self._finished == []


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunTiny:
    """Runs an archive with tiny encoders in this process, without Ray: same units, same answers, no waiting."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setattr(avadclip.apps.archive.run, "Pool", HerePool)
    monkeypatch.setattr(avadclip.apps.archive.run, "connect", nullcontext)

    def run(sources: list[VideoSource], out: str | Path, **options: object) -> list[ArchiveOutcome]:
        job = archive_jobs.TinyJob(str(tmp_path / "log"))
        outcomes = list(run_archive(job, sources, str(out), **options))
        assert list(scratch.iterdir()) == []
        return outcomes

    return run


def write_video(
    path: Path,
    *,
    seconds: float = 2.0,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    sound: bool = True,
    seed: int = 0,
) -> Path:
    """Moving noise, a key picture a second, and a tone that swells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    scene = random.integers(0, 256, (6, 8, 3), np.uint8)
    with av.open(str(path), "w") as container:
        picture = container.add_stream(codec, rate=RATE_HZ, options=options or {})
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        picture.gop_size = RATE_HZ
        track = container.add_stream("aac", rate=SOUND_HZ, layout="mono") if sound else None
        for number in range(round(seconds * RATE_HZ)):
            scene = np.roll(scene, 1, axis=number % 2)
            scene[number % 6, number % 8] = random.integers(0, 256, 3)
            frame = av.VideoFrame.from_ndarray(np.kron(scene, np.ones((8, 8, 1), np.uint8)))
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if track is not None:
            times = np.arange(round(seconds * SOUND_HZ)) / SOUND_HZ
            samples = 0.8 * times / seconds * np.sin(2 * np.pi * 440 * times)
            frame = av.AudioFrame.from_ndarray(samples.astype(np.float32)[None], format="fltp", layout="mono")
            frame.sample_rate = SOUND_HZ
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
    return path


@pytest.fixture(scope="session", name="write_video")
def _write_video() -> Callable[..., Path]:
    return write_video


@pytest.fixture(scope="session")
def one_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "one.mp4")


@pytest.fixture(scope="session")
def plain_features(one_video: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What `avadclip extract` without Ray writes for the video that archives hold copies of."""
    (outcome,) = extract_to_folder([one_video], tmp_path_factory.mktemp("plain"), archive_jobs.tiny_encoders())
    return outcome.feature_file.read_bytes()


@pytest.fixture(scope="session")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "long.mp4", seconds=LONG_SECONDS)


@pytest.fixture
def archive_of(tmp_path: Path, one_video: Path) -> Callable[..., list[VideoSource]]:
    """Makes `videos/NAME.mp4` of one content for every name, and `broken` ones of none."""

    def make(*names: str) -> list[VideoSource]:
        folder = tmp_path / "videos"
        for name in names:
            path = folder / f"{name}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.startswith("broken"):
                path.write_bytes(b"no video")
            else:
                shutil.copy(one_video, path)
        return [local_source(folder / f"{name}.mp4", folder) for name in names]

    return make
