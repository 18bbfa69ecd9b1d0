"""Several processes of one training run, on this machine or several, by torch's elastic launcher."""

import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import distributed
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, get_error_handler
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from avadclip.errors import AvadclipError, ConfigError

ELASTIC_LOGS = ("torch.distributed.elastic", "torch.distributed.elastic.agent.server.api")
MEETING_FILE = "AVADCLIP_MEETING_FILE"  # by which the processes of one machine find each other, without a port
ERROR_FILE = "TORCHELASTIC_ERROR_FILE"  # the launcher's name for the file with a process's error


@dataclass(frozen=True)
class Processes:
    """How many processes, and how those of several machines find each other."""

    devices: int
    """On each machine, one process each: its GPUs, or parts of its CPU."""
    nodes: int
    """Machines; the same command is started on each."""
    main_address: str | None
    """HOST:PORT of one of them, that all can reach; not needed for one machine."""


def launch(arguments: Sequence[str], processes: Processes) -> None:
    """Run `avadclip ARGUMENTS` in every process, until all are done.

    Raises:
        ConfigError: too few devices here, or several machines without an address to meet at.
        AvadclipError: a process failed; its error message.
        KeyboardInterrupt: it was interrupted.
    """
    _check(processes)
    # Each process would take all cores otherwise, and all of them wait for the slowest.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes.devices)))
    for name in ELASTIC_LOGS:  # they report a failure in twenty lines, and an interruption in one
        logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # a warning that learners without a spare head do not need
    try:
        with TemporaryDirectory(prefix="avadclip-") as folder:
            elastic_launch(_config(processes, Path(folder)), sys.executable)("-m", "avadclip", *arguments)
    except SignalException as signalled:  # the launcher's own, of SIGINT and SIGTERM
        raise KeyboardInterrupt from signalled
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if isinstance(message := failure.error_file_data.get("message"), dict):  # by report_to_launcher
            raise AvadclipError(message["message"].partition(": ")[2]) from None
        raise AvadclipError(
            f"training process {rank} ended with exit code {failure.exitcode}; see its output above. "
            "The same command resumes after the last finished epoch"
        ) from None


def _config(processes: Processes, folder: Path) -> LaunchConfig:
    """Settings of torch's launcher; on one machine the environment, too, keeps its processes on the loopback."""
    endpoint, settings = processes.main_address, {}
    if processes.nodes == 1:  # torch's stores listen at all addresses: on one machine, files take their place
        endpoint, settings = str(folder / "launcher"), {"store_type": "file"}
        loopback = "lo" if sys.platform == "linux" else "lo0"
        os.environ |= {
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
            "GLOO_SOCKET_IFNAME": loopback,
            "NCCL_SOCKET_IFNAME": loopback,
            MEETING_FILE: str(folder / "processes"),
        }
    return LaunchConfig(
        min_nodes=processes.nodes,
        max_nodes=processes.nodes,
        nproc_per_node=processes.devices,
        rdzv_backend="c10d",
        rdzv_endpoint=endpoint or "",
        rdzv_configs=settings,
        run_id="avadclip",
        max_restarts=0,  # the run folder holds the state: the same command resumes
    )


def meet() -> None:
    """Connect to the other processes of this machine, if a launcher started several here."""
    file = os.environ.get(MEETING_FILE)
    if file is not None and is_launched() and not distributed.is_initialized():
        distributed.init_process_group(
            "nccl" if torch.cuda.is_available() else "gloo",
            init_method=f"file://{file}",
            rank=int(os.environ["RANK"]),
            world_size=int(os.environ["WORLD_SIZE"]),
        )


def is_launched() -> bool:
    """Whether this process is one of several that a launcher started, to which errors are reported."""
    return ERROR_FILE in os.environ


def report_to_launcher(error: AvadclipError) -> None:
    """Report why this process failed; the launcher prints the first such error."""
    get_error_handler().record_exception(error)


def _check(processes: Processes) -> None:
    if processes.nodes > 1 and processes.main_address is None:
        raise ConfigError(f"{processes.nodes} nodes need a place to meet; add --main-address HOST:PORT of one of them")
    if torch.accelerator.is_available() and processes.devices > torch.accelerator.device_count():
        raise ConfigError(
            f"--devices {processes.devices}, but this machine has {torch.accelerator.device_count()}; lower it"
        )
