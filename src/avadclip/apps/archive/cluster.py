"""Connection to Ray: a local instance, or an existing cluster."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from avadclip.apps.archive.scratch import scratch_folder, sweep
from avadclip.encoders.device import AUTO
from avadclip.errors import ConfigError

LOCAL = "local"
SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103  # macOS
SOCKET_NAME = "/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store"  # Ray's longest, of its own folder
QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}
CLUSTER_SWITCH = (
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # read at import; without clusters all processes listen on loopback
)


@dataclass(frozen=True)
class Cluster:
    """Connected machines that the work is distributed over."""

    ray: Any
    """The connected library."""
    num_cpus: int
    num_gpus: int
    is_own: bool
    """Whether it was started here, on this machine alone."""

    def share(self, num_workers: int | None, device: str) -> "WorkerShare":
        """Compute the number of workers (by default as many as fit) and the resources of each.

        Args:
            num_workers: None for as many as fit.
            device: as torch names it; `auto` is a GPU if the cluster has any.

        Raises:
            ConfigError: the device needs a GPU, and the cluster has none.
        """
        on_gpu = device.startswith("cuda") or (device == AUTO and self.num_gpus > 0)
        if on_gpu and not self.num_gpus:
            raise ConfigError(f"--device {device} needs a GPU, but Ray finds none; start its nodes with --num-gpus")
        number = num_workers or max(1, self.num_gpus if on_gpu else self.num_cpus)
        # On one machine threads follow from the number of workers; on several, free cores per machine are unknown.
        cpus = max(1, self.num_cpus // number) if self.is_own else 1
        return WorkerShare(number, cpus, min(1.0, self.num_gpus / number) if on_gpu else 0.0)


@dataclass(frozen=True)
class WorkerShare:
    """Number of workers, and the resources of each."""

    num_workers: int
    num_cpus: int
    """CPU cores, also the number of threads of its networks."""
    num_gpus: float
    """GPUs per worker; a fraction if workers share one."""


@contextmanager
def connect(address: str) -> Iterator[Cluster]:
    """Connect to Ray for the duration of the block.

    Args:
        address: `local` starts an instance that ends with the block. Otherwise as for `ray.init`: `auto`, `HOST:PORT`,
            `ray://HOST:10001`. An existing connection of this process is reused.

    Raises:
        ConfigError: Ray cannot start, the address is unreachable, or the path of temporary files
            is too long.
    """
    if address == LOCAL:
        os.environ.setdefault(CLUSTER_SWITCH, "0")
    import ray

    if ray.is_initialized():
        yield _describe(ray, is_own=False)
        return
    with _start(ray) if address == LOCAL else _join(ray, address) as cluster:
        yield cluster
    sweep()  # remove files of killed workers on this machine


@contextmanager
def _start(ray: Any) -> Iterator[Cluster]:
    with scratch_folder() as folder:  # for logs and sockets
        if len(os.fsencode(folder)) + len(SOCKET_NAME) > SOCKET_PATH_BYTES:
            raise ConfigError(
                f"the path {folder} is too long for Ray's sockets; set TMPDIR to a folder with a shorter path"
            )
        try:
            ray.init(LOCAL, num_cpus=os.cpu_count(), include_dashboard=False, _temp_dir=str(folder), **QUIET)
        except Exception as error:  # mostly a bare Exception after half a minute
            ray.shutdown()
            raise ConfigError(
                f"Ray cannot start on this machine ({_reason(error)}); check its free memory and `ulimit -v`, or leave "
                "out --ray"
            ) from error
        try:
            yield _describe(ray, is_own=True)
        finally:
            ray.shutdown()


@contextmanager
def _join(ray: Any, address: str) -> Iterator[Cluster]:
    try:
        ray.init(address=address, **QUIET)
    except Exception as error:  # ConnectionError, ValueError, RuntimeError and others, by the kind of address
        raise ConfigError(
            f"no Ray cluster could be reached at {address} ({_reason(error)}); on one of its machines use `auto`, "
            "elsewhere ray://HOST:10001"
        ) from error
    try:
        yield _describe(ray, is_own=False)
    finally:
        ray.shutdown()


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _describe(ray: Any, *, is_own: bool) -> Cluster:
    resources = ray.cluster_resources()
    return Cluster(ray, int(resources.get("CPU", 1)), int(resources.get("GPU", 0)), is_own)
