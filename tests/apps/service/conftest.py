import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import av
import httpx2
import numpy as np
import psycopg
import pytest
from fastapi import FastAPI

from avadclip.apps.service.app import create_app
from avadclip.apps.service.jobs.worker import load_by_name
from avadclip.apps.service.server import make_server
from avadclip.apps.service.service import Service
from avadclip.apps.service.settings import ServiceSettings

sys.path.insert(0, str(Path(__file__).parent))  # for service_fakes, also in child processes, and made_up_events

TOKENS = {"ann": "a" * 20 + "1", "ben": "b" * 20 + "2"}
PATIENCE_SECONDS = 120.0  # of a machine that does something else too


def wait_until(condition: Callable[[], Any], *, what: str) -> Any:
    """What `condition` gives once it gives something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (outcome := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited in vain for {what}")
        time.sleep(0.02)
    return outcome


@pytest.fixture(scope="session", name="wait_until")
def _wait_until() -> Callable[..., Any]:
    return wait_until


def write_video(path: Path, seconds: float, *, codec: str = "libx264", rate: int = 24) -> Path:
    """A grey picture that grows brighter, no sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(round(seconds * rate)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number % 256, np.uint8)).reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def make_video(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a video of so many seconds, or gives the one it wrote before."""
    folder = tmp_path_factory.mktemp("videos")

    def make(seconds: float, *, suffix: str = ".mp4", **options: Any) -> Path:
        path = folder / f"{seconds:g}{suffix}"
        return path if path.exists() else write_video(path, seconds, **options)

    return make


class Postgres:
    """A PostgreSQL of our own in a temporary folder, reached by a socket in it. It refuses to run as root."""

    def __init__(self, folder: str) -> None:
        program = shutil.which("postgres") or next(
            (str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))), None
        )
        if program is None:
            pytest.skip("PostgreSQL is missing; run `make setup-system`")
        self.url = f"postgresql://avadclip@/postgres?host={folder}"
        self._folder = folder
        self._options: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
            self._options["user"] = "nobody"
        initdb = [str(Path(program).with_name("initdb")), "-D", "data", "-A", "trust", "-U", "avadclip", "--no-sync"]
        subprocess.run(initdb, check=True, **self._options)
        self._command = [program, "-D", "data", "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]

    def start(self) -> None:
        self._server = subprocess.Popen(self._command, **self._options)
        wait_until(lambda: _connects(self._folder), what="PostgreSQL")

    def stop(self) -> None:
        self._server.send_signal(signal.SIGINT)  # "fast": without waiting for clients
        self._server.wait()


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="avadclip-pg-") as folder:
        server = Postgres(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL that all tests share."""
    with running_postgres() as server:
        yield server.url


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """One that a test may stop and start."""
    with running_postgres() as server:
        yield server


def _connects(folder: str) -> bool:
    with (
        contextlib.suppress(psycopg.OperationalError),
        psycopg.connect(host=folder, user="avadclip", dbname="postgres"),
    ):
        return True
    return False


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def make_database(request: pytest.FixtureRequest) -> Callable[[Path], str]:
    """Gives the URL of an empty database: a new file in the folder, or a new schema of our own PostgreSQL."""
    if request.param == "sqlite":
        return lambda folder: f"sqlite:///{folder / 'store.sqlite'}"
    server: str = request.getfixturevalue("postgres")
    return lambda _folder: make_schema(server)


@pytest.fixture
def postgres_schema(postgres: str) -> str:
    """URL of an empty database."""
    return make_schema(postgres)


def make_schema(server: str) -> str:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")  # a database of each test's own would cost seven megabytes
    return f"{server}&options=-csearch_path%3D{name}"


@pytest.fixture
def fill_disk_of_uploads(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets new files of this process be written to a device that is full."""
    real_open = Path.open

    def open_full(path: Path, mode: str = "r", **options: Any) -> Any:
        return real_open(Path("/dev/full"), "wb") if mode == "xb" else real_open(path, mode, **options)

    return lambda: monkeypatch.setattr(Path, "open", open_full)


class Running(NamedTuple):
    """A service in this process, behind a real socket."""

    service: Service
    app: FastAPI
    url: str
    client: httpx2.Client


@contextlib.contextmanager
def running(settings: ServiceSettings, load: Callable[[], Any]) -> Iterator[Running]:
    """Serve in a thread."""
    service = Service(settings, model="starter-1", load=load, on_fatal=lambda: None)
    app = create_app(service)
    server = make_server(app, root_path=settings.root_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            wait_until(lambda: server.started, what="the service")
            with httpx2.Client(base_url=url, timeout=PATIENCE_SECONDS) as client:
                yield Running(service, app, url, client)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session", name="running")
def _running() -> Callable[..., contextlib.AbstractContextManager[Running]]:
    return running


@pytest.fixture(scope="session")
def videos_folder(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Path:
    """A folder that services may read: yard.mp4 and deep/yard.mp4; beside it secret.mp4, to which out.mp4 links."""
    root = tmp_path_factory.mktemp("media").resolve()
    folder = root / "allowed"
    (folder / "deep").mkdir(parents=True)
    for path in (folder / "yard.mp4", folder / "deep" / "yard.mp4", root / "secret.mp4"):
        shutil.copy(make_video(2), path)
    (folder / "out.mp4").symlink_to(root / "secret.mp4")
    (folder / "up").symlink_to(root)
    (folder / "notes.txt").write_text("not a video")
    return folder


@pytest.fixture(scope="session")
def served(
    tmp_path_factory: pytest.TempPathFactory, make_database: Callable[[Path], str], videos_folder: Path
) -> Iterator[Running]:
    """A service with the starter model."""
    folder = tmp_path_factory.mktemp("served")
    settings = ServiceSettings(
        data=folder, database_url=make_database(folder), folders=(videos_folder,), max_upload_bytes=1_000_000
    )
    with running(settings, partial(load_by_name, "starter-1", None, "cpu")) as service:
        yield service


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory, videos_folder: Path) -> Iterator[Running]:
    """A service with tokens and tight limits, on SQLite."""
    import service_fakes

    settings = ServiceSettings(
        data=tmp_path_factory.mktemp("guarded"),
        folders=(videos_folder,),
        tokens=TOKENS,
        max_upload_bytes=100_000,
        quota_bytes=150_000,
        max_video_seconds=10,
        min_free_bytes=0,
    )
    with running(settings, service_fakes.Refusing) as service:
        service.client.headers["Authorization"] = f"Bearer {TOKENS['ann']}"
        yield service
