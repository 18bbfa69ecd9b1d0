"""Where the metrics of a run go besides its folder: a tracker of Accelerate's, whose library the user installs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from accelerate.tracking import GeneralTracker, MLflowTracker, TensorBoardTracker, WandBTracker

from avadclip.errors import ConfigError

TrackerName = Literal["tensorboard", "wandb", "mlflow"]
PROJECT = "avadclip"  # in W&B; in MLflow the experiment
TENSORBOARD = "tensorboard"  # the folder of its curves in a run folder


class RunTracker:
    """Follows one run. TensorBoard writes into the run folder; W&B and MLflow go where their own settings say."""

    def __init__(self, name: TrackerName, folder: Path) -> None:
        """Choose a tracker; nothing is started yet.

        Args:
            name: which.
            folder: the run folder, whose name the run has in W&B and MLflow.

        Raises:
            ConfigError: the tracker's library is not installed.
        """
        if find_spec(name) is None:
            raise ConfigError(f"--track {name} needs the library {name}, not installed; run `pip install {name}`")
        self._name = name
        self._folder = folder
        self._started: GeneralTracker | None = None

    def start(self, settings: Mapping[str, Any]) -> None:
        """Begin the run, with the settings of its recipe; TensorBoard finds those in the run folder.

        Raises:
            ConfigError: the tracker cannot be reached, or refuses.
        """
        with self._explained():
            self._started = self._make()
            self._started.start()
            if self._name != "tensorboard":
                self._started.store_init_configuration(dict(settings))

    def log(self, metrics: Mapping[str, Any], *, epoch: int) -> None:
        """Pass on the metrics of an epoch; raises ConfigError as `start` does."""
        if self._started is not None:
            with self._explained():
                self._started.log({name: value for name, value in metrics.items() if value is not None}, step=epoch)

    def finish(self) -> None:
        """End the run; raises ConfigError as `start` does."""
        if self._started is not None:
            with self._explained():
                self._started.finish()
            self._started = None

    def _make(self) -> GeneralTracker:
        match self._name:
            case "tensorboard":
                return TensorBoardTracker(TENSORBOARD, logging_dir=self._folder)
            case "wandb":
                return WandBTracker(PROJECT, name=self._folder.name, dir=self._folder)
            case "mlflow":
                return MLflowTracker(PROJECT, run_name=self._folder.name)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # each library has its own exceptions
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ConfigError(
                f"--track {self._name}: {reason}; finished epochs are kept, and the same command resumes"
            ) from error
