"""`avadclip robustness`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.apps.cli.evaluate import Split
from avadclip.apps.cli.options import Device, Offline, set_offline
from avadclip.apps.cli.terminal.console import make_console
from avadclip.apps.cli.terminal.progress import show_work

if TYPE_CHECKING:
    from rich.console import Console

    from avadclip.data.bags import Bag
    from avadclip.evaluation.robustness import Damage, RobustnessReport
    from avadclip.inference.checkpoint import Checkpoint


class RobustnessFormat(StrEnum):
    """What goes to stdout."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


def robustness(  # noqa: PLR0917  Typer's way to declare options
    checkpoint: Annotated[str, typer.Argument(help="A checkpoint file, `starter` or hf://OWNER/NAME.")],
    data: Annotated[str, typer.Option(help="Annotated videos, as for `avadclip evaluate --data`.")],
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Output folder: tables, figures, and features of damaged videos.")
    ],
    features: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder of feature files, from avadclip extract; a CSV file needs one."),
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            exists=True,
            help="Folder of the videos to damage and encode again.",
            show_default="features are damaged instead, by analogues",
        ),
    ] = None,
    split: Annotated[Split, typer.Option(help="Split to measure on.")] = Split.TEST,
    seed: Annotated[
        int, typer.Option(min=0, help="The recipe's seed; determines synthetic data and the validation split.")
    ] = 0,
    device: Device = "auto",
    output_format: Annotated[
        RobustnessFormat, typer.Option("--format", help="A table for people, JSON for programs, Markdown for pages.")
    ] = RobustnessFormat.TABLE,
    offline: Offline = False,
) -> None:
    """Measure how damaged picture and sound affect every network.

    Picture: black, dark, half covered; sound: muted, foreign, 2 s late, noisy
    (0 dB). With --videos, the videos are damaged before encoding, and their
    features are kept in --out for the next run. Composed data is damaged
    before encoding too. Of other data without --videos, features are damaged
    by analogues; such results do not carry over to real cameras.
    """
    set_offline(offline)
    from avadclip.data.composed.damage import composed_damage
    from avadclip.data.composed.dataset import COMPOSED
    from avadclip.data.damage import FeatureDamage
    from avadclip.data.datasets import load_dataset
    from avadclip.evaluation.robustness import CONDITIONS, measure_robustness
    from avadclip.files import write_atomically
    from avadclip.inference.checkpoint import load_checkpoint
    from avadclip.report.figures.panels import write_figure
    from avadclip.report.figures.robustness import draw_chart, to_markdown
    from avadclip.report.figures.variance import draw_first_event

    loaded = load_checkpoint(checkpoint)
    dataset = load_dataset(
        data,
        features=features,
        classes=loaded.header.classes,
        seed=seed,
        undivided="test" if split is Split.TEST else "train",
    )
    bags = dataset.bags_of(split.value)
    damage: Damage
    if videos is not None:
        damage = _video_damage(loaded, bags, videos, out / "features", device)
    elif data.startswith(COMPOSED):
        damage = composed_damage(data.removeprefix(COMPOSED), split.value, features=features, seed=seed)
    else:
        damage = FeatureDamage(bags, dataset.grid)
    with show_work(len(bags) * len(CONDITIONS)) as work:
        report = measure_robustness(loaded, dataset, split.value, damage, on_video=work.begin)
    document = report.model_dump_json(indent=2)
    write_atomically(out / "robustness.json", document + "\n")
    write_atomically(out / "robustness.md", to_markdown(report))
    write_figure(draw_chart(report), out / "robustness.png")
    curves = draw_first_event(loaded, dataset, split.value, damage)
    if curves is not None:
        write_figure(curves, out / "variance.png")
    if output_format is RobustnessFormat.JSON:
        typer.echo(document)
    elif output_format is RobustnessFormat.MARKDOWN:
        typer.echo(to_markdown(report), nl=False)
    else:
        _print_tables(make_console(), report)


def _video_damage(
    checkpoint: "Checkpoint", bags: "tuple[Bag, ...]", videos: Path, folder: Path, device: str
) -> "Damage":
    from avadclip.data.damaged_videos import VideoDamage, find_videos
    from avadclip.encoders.load import load_encoders

    paths = find_videos(bags, videos)  # before anything large is loaded
    options = checkpoint.header.encoder_options.model_copy(update={"device": device})
    return VideoDamage(bags, paths, load_encoders(checkpoint.header.encoders, options), folder)


def _print_tables(console: "Console", report: "RobustnessReport") -> None:
    from rich.table import Table

    from avadclip.report.figures.robustness import describe, tables
    from avadclip.report.words import network_words, printable

    console.print(describe(report), style="bold")
    for title, rows in tables(report):
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("percent")
        for network in report.networks:
            table.add_column(network_words(network), justify="right")
        for row in rows:
            table.add_row(*row)
        console.print(f"\n{title}")
        console.print(table)
    console.print()
    chance = report.conditions[0].reports[0].chance_percent
    console.print(f"in parentheses: gain over clean; a random score gets frame AP {chance:.2f}", style="dim")
    for note in report.notes:
        console.print(f"note: {printable(note)}", style="dim")
