"""`avadclip calibrate`."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.apps.cli.options import Device, Offline, set_offline
from avadclip.apps.cli.terminal.console import report_success
from avadclip.apps.cli.terminal.progress import show_work
from avadclip.apps.cli.verdicts.adapt import KEEP_RECALL, calibrate_on_verdicts
from avadclip.report.words import network_words, printable

if TYPE_CHECKING:
    from avadclip.data.footage import FootageFile
    from avadclip.features.snippets import SnippetFeatures
    from avadclip.inference.detector import Detector

ALERT_SHARE = 0.1  # default share of the false alarms that may be alerts


def calibrate(  # noqa: PLR0917  Typer's way to declare options
    checkpoint: Annotated[str, typer.Argument(help="A checkpoint file, `starter` or hf://OWNER/NAME.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The new checkpoint file.")],
    normal: Annotated[
        Path | None,
        typer.Option(help="Footage without events: a video, a feature file, a folder of either, or a CSV file."),
    ] = None,
    false_alarms_per_hour: Annotated[
        float | None,
        typer.Option(min=0, max=60, help="For --normal: highest accepted rate of false alarms per hour."),
    ] = None,
    alerts_per_hour: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=60,
            help="For --normal: highest accepted rate of false alerts per hour.",
            show_default="a tenth of the alarms",
        ),
    ] = None,
    labelled: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="A CSV file of footage with the times of all events. With --normal it only measures what is found, "
            "and needs no times.",
        ),
    ] = None,
    verdicts: Annotated[
        Path | None, typer.Option(file_okay=False, help="A folder that `avadclip verdicts` wrote.")
    ] = None,
    keep_recall: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1, help="For --verdicts: share of the judged events still to find.", show_default="0.9"
        ),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder of feature files for a CSV file; without it videos are read."),
    ] = None,
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Set a model's two thresholds from your own footage, in a new checkpoint.

    With --normal, the lowest thresholds that keep the false-alarm rates;
    give --labelled too, and what they find of known events is counted. With
    --labelled alone, the detection threshold with the best F1, and an alert
    threshold with nine of ten alerts correct. With --verdicts, the highest
    detection threshold that keeps most judged events. The output states how
    much the amount of footage can support.
    """
    set_offline(offline)
    if (verdicts is None) == (normal is None and labelled is None):
        raise typer.BadParameter("give --normal, --labelled or both; or --verdicts")
    if keep_recall is not None and verdicts is None:
        raise typer.BadParameter("--keep-recall needs --verdicts")
    if features is not None and verdicts is not None:
        raise typer.BadParameter("--features goes with a CSV file; --verdicts reads its own clips")
    if normal is not None and false_alarms_per_hour is None:
        raise typer.BadParameter("--normal needs --false-alarms-per-hour, the highest accepted rate")
    if normal is None and (false_alarms_per_hour is not None or alerts_per_hour is not None):
        raise typer.BadParameter("false-alarm rates need --normal; the others fit events")
    if out.exists():
        raise typer.BadParameter(f"{out} exists already; give the new checkpoint another name")

    if verdicts is not None:
        calibrate_on_verdicts(checkpoint, verdicts, out, keep_recall=keep_recall or KEEP_RECALL, device=device)
        return
    from avadclip.data.footage import find_labelled_footage, find_normal_footage
    from avadclip.evaluation.calibrate import calibrate as choose
    from avadclip.evaluation.calibration import Wanted, describe
    from avadclip.inference.checkpoint import load_checkpoint, save_checkpoint

    wanted = None
    if false_alarms_per_hour is not None:
        alerts = ALERT_SHARE * false_alarms_per_hour if alerts_per_hour is None else alerts_per_hour
        wanted = Wanted(false_alarms_per_hour, alerts)
    loaded = load_checkpoint(checkpoint)
    known = [] if labelled is None else find_labelled_footage(labelled, features=features, needs_times=normal is None)
    footage, measured = known, []
    if normal is not None:
        of_csv = normal.suffix.lower() == ".csv" or labelled is None
        footage, measured = find_normal_footage(normal, features=features if of_csv else None), known
    every = [*footage, *measured]
    with show_work(len(every)) as work:
        read = _reader(checkpoint, device)

        def begin_and_read(file: "FootageFile") -> "SnippetFeatures":
            work.begin(str(file.path), every.index(file))
            return read(file)

        calibrated, results = choose(loaded, footage, begin_and_read, wanted=wanted, measured=measured)
    save_checkpoint(out, calibrated)
    for result in results:
        typer.echo(network_words(result.network))
        for line in describe(result):
            typer.echo(f"  {line}")
    report_success(f"written  {printable(str(out))}")


def _reader(checkpoint: str, device: str) -> Callable[["FootageFile"], "SnippetFeatures"]:
    """Make a function that reads feature files and encodes videos; encoders are loaded on first use."""
    from avadclip.features.extract import extract_features
    from avadclip.features.store import read_features
    from avadclip.inference.detector import load_detector

    @cache
    def detector() -> "Detector":
        return load_detector(checkpoint, device=device, sounds=False)

    def read(file: "FootageFile") -> "SnippetFeatures":
        if file.is_features:
            return read_features(file.path)
        return extract_features(file.path, detector().encoders, grid=detector().grid)

    return read
