"""Terminal tables of an evaluation report; at most 80 columns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from avadclip.apps.cli.terminal.console import plain_table
from avadclip.evaluation.metrics.records import FalseOnes, Measure, Protocol, Report, VideoMeasure
from avadclip.report.words import counted, network_words, origin_words, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SELECTION_WORDS = {
    "last": "weights of the last epoch",
    "validation": "selected on validation",
    "test": "selected on test",
    "unknown": "selection unknown",
}
FALSE_ONES: dict[FalseOnes, str] = {"false_alarms_per_hour": "alarms/h", "false_positive_percent": "% FPR"}
IOU_HEADINGS: dict[float | Literal["AVG"], str] = {0.1: ".1", 0.2: ".2", 0.3: ".3", 0.4: ".4", 0.5: ".5", "AVG": "AVG"}


def print_report(console: "Console", report: Report) -> None:
    """Print one network's results; every table's title names dataset, split and network."""
    subject = _subject(report)
    for what, table in _tables(report):
        console.print(f"{what}\n{subject}", style="bold")  # a table's own title would wrap at the table's width
        console.print(table)
        console.print()
    for line in _share_lines(report):
        console.print(line, style="dim")
    for note in report.notes:
        console.print(f"note: {printable(note)}", style="dim")
    console.print()


def _tables(report: Report) -> list[tuple[str, "Table"]]:
    """The tables that have at least one number, with their titles."""
    tables = [("Frame level, percent", _frame_table(report))] if report.measures else []
    if report.auc_parts:
        tables.append(("ROC AUC = w within + (1 - w) cross, and AP by delay, percent", _parts_table(report)))
    if report.video_measures:
        tables.append(("Whole videos by their highest score, percent [95 % interval]", _video_table(report)))
    if report.recalls:
        tables.append(("Recall of events by false alarms, of frames by FPR [95 % interval]", _recall_table(report)))
    if report.hard_normals:
        hours = f"{counted(report.num_hard_normals, 'video')}, {report.hard_normal_hours:.2f} h"
        tables.append((f"Hard normals: {hours}, at the same thresholds [95 % interval]", _hard_table(report)))
    if report.false_alarms:
        tables.append(
            ("False alarms per hour, at the threshold that finds a share of the events", _alarm_table(report))
        )
    if report.f1:
        tables.append(("F1, percent, at the threshold that is best on validation", _f1_table(report)))
    mapped = next((each.head for each in report.measures if each.name == "map"), None)
    if mapped is not None:
        tables.append(("mAP at IoU, percent", _map_table(report)))
        tables.append((f"AP per class at IoU, percent; head {mapped}, protocol strict", _class_table(report)))
    return tables


def _share_lines(report: Report) -> list[str]:
    counts = (
        f"{counted(report.num_videos, 'video')}, {report.num_frames:,} frames in snippets of {report.snippet_frames}"
    )
    lines = [counts if report.normal_hours is None else f"{counts}, {report.normal_hours:.2f} h normal"]
    if report.positive_percent in {0, 100}:
        lines.append("all frames are normal or all are anomalous: AP and AUC are undefined")
    elif report.positive_percent is not None:
        share = f"{report.positive_percent:.2f}"
        lines.append(f"{share} % of the frames are anomalous: a random score gets frame AP {share}")
    if report.num_anomalous_videos in {0, report.num_videos}:
        lines.append("all videos are normal or all are anomalous: AP and AUC of videos are undefined")
    elif report.num_anomalous_videos is not None:
        share = f"{100 * report.num_anomalous_videos / report.num_videos:.2f}"
        lines.append(f"{share} % of the videos are anomalous: a random score gets video AP {share}")
    return lines


def _subject(report: Report) -> str:
    """Second line of every table's title: dataset, split, network and selection."""
    selection = SELECTION_WORDS.get(report.selection, f"selected: {report.selection}")
    dataset = report.dataset + origin_words(report.dataset, is_synthetic=report.is_synthetic)
    return printable(f"{dataset}, {report.split} split, {network_words(report.network)}, {selection}")


def _frame_table(report: Report) -> "Table":
    table = plain_table(["head"], ["frame AP", "pr_auc", "ROC AUC", "calibration error"], gap=3)
    for head in report.heads:
        measured = [each for each in report.measures if each.head == head and each.protocol == "frame"]
        table.add_row(head, *(_number(each.percent) for each in measured))
        _add_control(table, measured[:-1])
    return table


def _add_control(table: "Table", measures: Sequence[Measure | VideoMeasure]) -> None:
    """The rows below a head: its measures with every score replaced by its video's mean."""
    table.add_row("  video means", *(_number(each.video_mean_percent) for each in measures))
    table.add_row("  margin kept", *(_number(each.kept_percent) for each in measures))


def _parts_table(report: Report) -> "Table":
    delays = list(dict.fromkeys(each.seconds for each in report.latency_ap))
    table = plain_table(["head"], ["w", "within", "cross", *(f"AP({delay:g} s)" for delay in delays)], gap=3)
    for parts in report.auc_parts:
        numbers = (parts.within_percent, parts.cross_percent)
        late = [each.percent for each in report.latency_ap if each.head == parts.head]
        table.add_row(parts.head, f"{parts.within_share_percent:.4f}", *map(_number, (*numbers, *late)))
    return table


def _video_table(report: Report) -> "Table":
    table = plain_table(["head"], ["video AP", "video ROC AUC"], gap=3)
    for head in dict.fromkeys(each.head for each in report.video_measures):
        measured = [each for each in report.video_measures if each.head == head]
        table.add_row(head, *(_bounded(each.percent, each.low_percent, each.high_percent) for each in measured))
        _add_control(table, measured)
    return table


def _recall_table(report: Report) -> "Table":
    table = plain_table(["head", "limit"], ["threshold", "recall, %", "reached"], gap=2)
    for each in report.recalls:
        threshold = "-" if each.threshold is None else f"{each.threshold:.3f}"
        recall = _bounded(each.recall_percent, each.low_percent, each.high_percent)
        limit = f"{each.limit:g} {FALSE_ONES[each.limit_of]}"
        table.add_row(each.head, limit, threshold, recall, _bounded(each.reached, each.low, each.high))
    return table


def _hard_table(report: Report) -> "Table":
    table = plain_table(["head", "measure"], ["hard normals", "other normal time"], gap=2)
    for each in report.hard_normals:
        what = "ROC AUC, %" if each.name == "roc_auc_percent" else f"{FALSE_ONES[each.name]}, at {each.limit:g}"
        table.add_row(each.head, what, _bounded(each.hard, each.low, each.high), _number(each.others))
    return table


def _bounded(value: float | None, low: float | None, high: float | None) -> str:
    return _number(value) if low is None else f"{_number(value)} [{_number(low)}, {_number(high)}]"


def _alarm_table(report: Report) -> "Table":
    table = plain_table(["head"], ["recall wanted", "reached", "threshold", "false alarms per hour"], gap=3)
    for each in report.false_alarms:
        recalls = (_number(each.wanted_recall_percent), _number(each.recall_percent))
        table.add_row(each.head, *recalls, f"{each.threshold:.3f}", f"{each.per_hour:.2f}")
    return table


def _f1_table(report: Report) -> "Table":
    table = plain_table(["head", "of"], ["threshold", "F1"], gap=3)
    for each in report.f1:
        table.add_row(each.head, f"{each.unit}s", f"{each.threshold:.3f}", _number(each.percent))
    return table


def _map_table(report: Report) -> "Table":
    protocols: tuple[Protocol, ...] = ("legacy", "strict")
    table = plain_table(["head", "protocol"], list(IOU_HEADINGS.values()), gap=3)
    for protocol in protocols:
        means = {each.iou: each for each in report.measures if each.name == "map" and each.protocol == protocol}
        table.add_row(means["AVG"].head, protocol, *(_number(means[iou].percent) for iou in IOU_HEADINGS))
    return table


def _class_table(report: Report) -> "Table":
    table = plain_table(["class"], ["events", *IOU_HEADINGS.values()], gap=3)
    of_class = {
        (each.label, each.iou): each.percent
        for each in report.measures
        if each.name == "class_ap" and each.protocol == "strict"
    }
    for label, num_truths in report.num_truths.items():
        table.add_row(printable(label), str(num_truths), *(_number(of_class[label, iou]) for iou in IOU_HEADINGS))
    return table


def _number(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.2f}"
