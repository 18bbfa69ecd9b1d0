"""`avadclip calibrate --verdicts` and `avadclip train --verdicts`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from avadclip.apps.cli.terminal.console import note, report_success
from avadclip.apps.cli.terminal.progress import show_work
from avadclip.report.words import counted, network_words, printable

if TYPE_CHECKING:
    from avadclip.evaluation.verdicts import NetworkVerdicts, Verdicts
    from avadclip.features.snippets import SnippetFeatures
    from avadclip.inference.checkpoint import Checkpoint

KEEP_RECALL = 0.9  # of the events among the verdicts, unless told otherwise


def calibrate_on_verdicts(checkpoint: str, folder: Path, out: Path, *, keep_recall: float, device: str) -> None:
    """Write a checkpoint whose thresholds are chosen by verdicts, and show what that changes on others."""
    from avadclip.evaluation.verdicts import calibrate_by_verdicts
    from avadclip.inference.checkpoint import load_checkpoint, save_checkpoint

    loaded = load_checkpoint(checkpoint)
    verdicts = _read(checkpoint, loaded, folder, device)
    changed, results = calibrate_by_verdicts(loaded, verdicts, keep_recall=keep_recall)
    save_checkpoint(out, changed)
    _show(results, out)


def adapt_to_verdicts(checkpoint: str, folder: Path, out: Path, *, keep_recall: float, device: str) -> None:
    """Write a checkpoint whose students are refitted to verdicts, and show what that changes on others."""
    from avadclip.inference.checkpoint import load_checkpoint, save_checkpoint
    from avadclip.training.adaptation import adapt

    loaded = load_checkpoint(checkpoint)
    verdicts = _read(checkpoint, loaded, folder, device)
    changed, adaptation, results = adapt(loaded, verdicts, keep_recall=keep_recall)
    save_checkpoint(out, changed)
    if adaptation.pull is None:
        note("no refit ranked the events higher above the false alarms: the weights stay, thresholds alone are new")
    typer.echo(
        f"events ranked above false alarms (AUC): {adaptation.auc_before:.3f} before, {adaptation.auc:.3f} refitted "
        "(cross-validated)"
    )
    _show(results, out)


def _read(name: str, checkpoint: "Checkpoint", folder: Path, device: str) -> "Verdicts":
    from avadclip.data.verdicts import read_verdicts
    from avadclip.evaluation.verdicts import divide, read_clips

    num_verdicts = len(read_verdicts(folder))
    with show_work(num_verdicts) as work:
        read = _reader(name, device)
        numbers = iter(range(num_verdicts))

        def begin_and_read(path: Path) -> "SnippetFeatures":
            work.begin(path.name, next(numbers))
            return read(path)

        clips, num_gone = read_clips(folder, checkpoint.header, begin_and_read)
    if num_gone:
        note(f"{counted(num_gone, 'verdict')} without footage left out")
    return divide(clips)


def _reader(checkpoint: str, device: str) -> "Callable[[Path], SnippetFeatures]":
    from avadclip.features.extract import extract_features
    from avadclip.inference.detector import load_detector

    detector = load_detector(checkpoint, device=device, sounds=False)
    return lambda path: extract_features(path, detector.encoders, grid=detector.grid)


def _show(results: "list[NetworkVerdicts]", out: Path) -> None:
    from avadclip.evaluation.verdicts import describe

    for result in results:
        typer.echo(network_words(result.network))
        for line in describe(result):
            typer.echo(f"  {line}")
    report_success(f"written  {printable(str(out))}")
