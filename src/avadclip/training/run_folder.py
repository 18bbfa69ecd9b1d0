"""The folder of one training run, and how an interrupted run resumes.

config.toml          the recipe, every default written out; `avadclip train` takes it again
environment.json     versions and device
metrics.jsonl        one line per epoch
state.safetensors    everything the next epoch needs; written whole after every epoch
last.safetensors     checkpoint of the last epoch
best.safetensors     checkpoint of the epoch that validation chose
tensorboard/         the metrics as curves, where no other tracker is chosen
"""

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from avadclip import __version__
from avadclip.config import TrainingConfig, read_config
from avadclip.errors import ConfigError
from avadclip.files import write_atomically
from avadclip.training.trackers import RunTracker, TrackerName

CONFIG, ENVIRONMENT, METRICS, STATE = "config.toml", "environment.json", "metrics.jsonl", "state.safetensors"
LAST, BEST = "last.safetensors", "best.safetensors"


class SavedState(NamedTuple):
    """Everything an interrupted run needs to go on."""

    current: dict[str, Tensor]
    """All that is trained, after the last epoch."""
    best: dict[str, Tensor]
    """The network of the epoch that validation chose."""
    optimizer: dict[int, dict[str, Tensor]]
    metrics: list[dict[str, Any]]


class RunFolder:
    """Files of one run. Only the main process may write."""

    def __init__(self, path: Path, config: TrainingConfig, *, device: str, track: TrackerName = "tensorboard") -> None:
        """Name a folder that is new, or holds an interrupted run of the same recipe; nothing is written yet.

        Raises:
            ConfigError: the folder holds another run, or files of something else; or the tracker is not installed.
        """
        self._tracker = RunTracker(track, path)
        self.path = path
        self._config = config
        self._device = device
        if (path / CONFIG).is_file():
            found = read_config(path / CONFIG, TrainingConfig)
            if found != config:
                raise ConfigError(
                    f"{path} holds another run ({_first_difference(found, config)}); choose another --out"
                )
        elif path.exists() and any(path.iterdir()):
            raise ConfigError(f"{path} is not empty and holds no run; choose another --out")

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Write what a run is, once it is known that it can be, and track it until the end of the block.

        An interrupted run keeps what it has.

        Raises:
            ConfigError: the tracker refuses the run.
        """
        if not (self.path / CONFIG).is_file():
            self._write_recipe()
        try:
            self._tracker.start(_flat(self._config.model_dump(mode="json")))
            yield
        finally:
            self._tracker.finish()

    def _write_recipe(self) -> None:
        environment = {
            "avadclip": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "device": self._device,
        }
        values = self._config.model_dump(mode="json", exclude_none=True)
        # The recipe first: a folder with it is a run, whatever else a kill leaves out.
        write_atomically(self.path / CONFIG, tomli_w.dumps(values))
        write_atomically(self.path / ENVIRONMENT, json.dumps(environment, indent=2) + "\n")

    def save_state(self, state: SavedState) -> None:
        """Write everything the next epoch needs, and the metrics so far."""
        tensors = {f"current/{name}": tensor for name, tensor in state.current.items()}
        tensors.update({f"best/{name}": tensor for name, tensor in state.best.items()})
        for index, moments in state.optimizer.items():
            tensors.update({f"optimizer/{index}/{name}": moment for name, moment in moments.items()})
        own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        # One file: weights, optimizer and metrics cannot disagree, wherever the process is killed.
        write_atomically(self.path / STATE, save(own, metadata={"metrics": json.dumps(state.metrics)}))
        write_atomically(self.path / METRICS, "".join(json.dumps(line) + "\n" for line in state.metrics))
        last = dict(state.metrics[-1])
        self._tracker.log(last, epoch=last.pop("epoch"))

    def load_state(self) -> SavedState | None:
        """What save_state wrote last; None in a new folder. Raises ConfigError where it is damaged."""
        path = self.path / STATE
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                metrics = json.loads(file.metadata()["metrics"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
        except (OSError, SafetensorError) as error:
            raise ConfigError(f"{path} cannot be read ({error}); remove the folder and start again") from error
        optimizer: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _below("optimizer/", tensors).items():
            index, key = name.split("/")
            optimizer.setdefault(int(index), {})[key] = tensor
        return SavedState(
            current=_below("current/", tensors),
            best=_below("best/", tensors),
            optimizer=optimizer,
            metrics=metrics,
        )


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _first_difference(found: TrainingConfig, wanted: TrainingConfig) -> str:
    pairs = zip(_flat(found.model_dump()).items(), _flat(wanted.model_dump()).items(), strict=False)
    for (name, there), (other, here) in pairs:
        if name != other or there != here:
            return f"there {name} = {there}, here {other} = {here}"
    return "other settings"


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return flat
