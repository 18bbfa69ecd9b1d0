"""Files of the service: uploads under generated names, results, and read-only allowed folders."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from avadclip.apps.service.problems import RefusedError
from avadclip.apps.service.schemas import Job, Origin
from avadclip.apps.service.settings import ServiceSettings
from avadclip.errors import MediaError
from avadclip.media.suffixes import VIDEO_SUFFIXES

FREE_CHECK_BYTES = 64 * 1024**2  # bytes written between two checks of the free disk space


class MediaFolder:
    """Storage of videos and results within the quota; thread-safe."""

    def __init__(self, settings: ServiceSettings, *, kept_bytes: int) -> None:
        self._settings = settings
        self._bytes = kept_bytes
        self._lock = threading.Lock()
        for folder in (settings.uploads, settings.results):
            folder.mkdir(exist_ok=True, mode=0o700)

    @property
    def kept_bytes(self) -> int:
        """Size of uploaded and fetched videos, including incomplete ones."""
        return self._bytes

    def result_folder(self, job_id: str) -> Path:
        """Folder of a job's result."""
        return self._settings.results / job_id

    def result_file(self, job_id: str, name: str) -> Path:
        """Find a file of a job's result; RefusedError (404) for a missing one, or a name that leads elsewhere."""
        folder = self.result_folder(job_id).resolve()
        path = (folder / name).resolve() if name.isprintable() else folder
        if not path.is_relative_to(folder) or not is_file(path):
            raise RefusedError(HTTPStatus.NOT_FOUND, "file not found")
        return path

    def find(self, named: str) -> Path:
        """Find a client's file in an allowed folder.

        Raises:
            RefusedError: 403 for a path outside the allowed folders after resolving links, existing or not; 404 for a
                missing file.
        """
        candidates = [_resolved(folder / named) for folder in self._settings.folders]  # an absolute name stays itself
        allowed = [path for path in candidates if path is not None and self._is_allowed(path)]
        if not allowed:
            raise RefusedError(
                HTTPStatus.FORBIDDEN, "the path is outside the allowed folders; give a file inside one of them"
            )
        found = next((path for path in allowed if is_file(path)), None)
        if found is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "file not found in the allowed folders; check the path")
        return found

    def checked(self, job: Job) -> Path:
        """A job's video, checked again, since a link may have replaced it after the job was created."""
        if job.origin is not Origin.FOLDER:
            return self._upload(job)
        path = Path(job.path)
        if _resolved(path) != path or not self._is_allowed(path):
            raise MediaError(f"{job.name} is no longer in an allowed folder; create a new job")
        return path

    @contextmanager
    def incoming(self, job_id: str) -> Iterator["Incoming"]:
        """Receive a video; it is deleted after the block unless `is_kept` was set."""
        path = self._settings.uploads / f".{job_id}.partial"
        with _storing():
            file = path.open("xb")
        incoming = Incoming(self, path, file)
        try:
            yield incoming
        finally:
            with suppress(OSError):  # `flush` has reported it
                file.close()
            if not incoming.is_kept:
                incoming.path.unlink(missing_ok=True)
                self._give_back(incoming.num_bytes)
            incoming.unfinished.unlink(missing_ok=True)

    def reserve(self, num_bytes: int, *, so_far: int) -> None:
        """Reserve space for bytes to be written.

        Raises:
            RefusedError: 413 if the file is too large; 507 if the quota or the disk is full.
        """
        limit = self._settings.max_upload_bytes
        if so_far + num_bytes > limit:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the video is larger than {limit} bytes; cut it into parts"
            )
        with self._lock:
            if self._bytes + num_bytes > self._settings.quota_bytes:
                raise RefusedError(
                    HTTPStatus.INSUFFICIENT_STORAGE, "the quota for videos is full; delete finished jobs"
                )
            self._bytes += num_bytes

    def is_nearly_full(self) -> bool:
        """Whether the disk has less room than must stay free."""
        return shutil.disk_usage(self._settings.uploads).free < self._settings.min_free_bytes

    def check_disk(self) -> None:
        """Raise RefusedError (507) if the disk is nearly full."""
        if self.is_nearly_full():
            raise RefusedError(HTTPStatus.INSUFFICIENT_STORAGE, "the service's disk is nearly full; delete old jobs")

    def remove(self, job: Job) -> None:
        """Delete a job's result, and its video unless it is in an allowed folder. Twice is as good as once."""
        if self.result_folder(job.id).exists():
            shutil.rmtree(self.result_folder(job.id))
        if job.origin is not Origin.FOLDER and self._upload(job).exists():
            self._upload(job).unlink()
            self._give_back(job.size_bytes)

    def sweep(self, known: set[str]) -> list[Path]:
        """Delete what a killed service was receiving or writing; return the paths.

        Files of unknown jobs stay: the store may have been restored from a backup that is older than they are.
        """
        hidden = [*self._settings.uploads.glob(".*"), *self._settings.results.glob(".*")]
        ids = {path.name.split(".")[1] for path in hidden} - known
        strays = [*hidden, *(path for path in self._settings.uploads.glob("[!.]*") if _id_of(path) in ids)]
        for path in strays:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return strays

    def _upload(self, job: Job) -> Path:
        return self._settings.uploads / Path(job.path).name  # the folder may have been moved or copied

    def _is_allowed(self, path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in self._settings.folders)

    def _give_back(self, num_bytes: int) -> None:
        with self._lock:
            self._bytes -= num_bytes


class Incoming:
    """A video being received."""

    def __init__(self, folder: MediaFolder, path: Path, file: BinaryIO) -> None:
        self._folder, self._file = folder, file
        self._next_disk_check = 0
        self.path = path
        self.unfinished = path.with_suffix(".unfinished")
        """Marks the renamed video as one without a job, until that is stored."""
        self.num_bytes = 0
        self.is_kept = False

    def write(self, data: bytes | bytearray) -> None:
        """Append data; RefusedError (413, 507) if it exceeds a limit."""
        if self.num_bytes >= self._next_disk_check:
            self._folder.check_disk()
            self._next_disk_check = self.num_bytes + FREE_CHECK_BYTES
        self._folder.reserve(len(data), so_far=self.num_bytes)
        self.num_bytes += len(data)
        with _storing():
            self._file.write(data)

    def flush(self) -> None:
        """Write all data to disk, for other processes to read; RefusedError (507) if it cannot be stored."""
        with _storing():
            self._file.flush()
            os.fsync(self._file.fileno())

    def rename(self, job_id: str, name: str) -> None:
        """Rename the file to the job's id, with the client's suffix if it is a video suffix."""
        suffix = Path(name).suffix.lower()
        with _storing():
            self.unfinished.touch()
            self.path = self.path.rename(self.path.with_name(job_id + (suffix if suffix in VIDEO_SUFFIXES else "")))


def ids_of_files(settings: ServiceSettings) -> set[str]:
    """Jobs that the folders of uploads and results have complete files of."""
    return {_id_of(path) for folder in (settings.uploads, settings.results) for path in folder.glob("[!.]*")}


def _id_of(path: Path) -> str:
    return path.name.split(".")[0]


@contextmanager
def _storing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RefusedError(
            HTTPStatus.INSUFFICIENT_STORAGE, f"the video cannot be stored ({error.strerror}); delete old jobs"
        ) from error


def is_file(path: Path) -> bool:
    """Whether there is a file; False also for a name that no file can have, or a folder that may not be read."""
    return os.path.isfile(path)  # noqa: PTH113  Path.is_file raises for both


def _resolved(path: Path) -> Path | None:
    """Resolve links and dots; None for an invalid path (NUL, link loop) or one that is not valid text."""
    try:
        resolved = path.resolve()
        str(resolved).encode()
        return resolved
    except (OSError, ValueError, RuntimeError):
        return None
