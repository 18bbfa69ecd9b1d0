"""`avadclip verdicts pull` and `avadclip verdicts import`."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from avadclip.apps.cli.terminal.console import note, report_success
from avadclip.apps.cli.terminal.progress import show_steps
from avadclip.report.words import counted, printable

OutFolder = Annotated[Path, typer.Option(file_okay=False, help="Folder of verdicts: verdicts.csv and clips/.")]

verdicts_app = typer.Typer(
    no_args_is_help=True,
    help="Collect people's verdicts on events, with the judged footage.",
    epilog="Example: avadclip verdicts pull --service http://127.0.0.1:8000 --out verdicts",
)


@verdicts_app.command(epilog="Example: avadclip verdicts pull --service http://127.0.0.1:8000 --out verdicts")
def pull(
    out: OutFolder,
    service: Annotated[str | None, typer.Option(metavar="URL", help="A running service.")] = None,
    data: Annotated[
        Path | None, typer.Option(file_okay=False, help="The --data folder of a service on this machine.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="For --service: file with a `name: token` line, whose token is sent."),
    ] = None,
    recordings: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder of the recordings of `avadclip watch`.")
    ] = None,
) -> None:
    """Add new verdicts of a service to a folder, with clips of the judged footage."""
    if (service is None) == (data is None):
        raise typer.BadParameter("give either --service or --data")
    if token_file is not None and service is None:
        raise typer.BadParameter("--token-file needs --service")
    from avadclip.apps.service.settings import read_tokens
    from avadclip.apps.service.verdicts.pull import pull as pull_from
    from avadclip.apps.service.verdicts.sources import HttpSource, StoreSource

    with ExitStack() as stack, show_steps("pulling verdicts") as show_step:
        if service is not None:
            token = next(iter(read_tokens(token_file).values())) if token_file is not None else None
            source: HttpSource | StoreSource = stack.enter_context(HttpSource(service, token))
        else:
            assert data is not None, "one of both was given"
            source = stack.enter_context(StoreSource(data))
        pulled = pull_from(source, out, recordings=recordings, on_verdict=show_step)
    if pulled.num_without:
        note(f"{counted(pulled.num_without, 'verdict')} without footage; the column `note` of verdicts.csv has why")
    report_success(f"{printable(str(out))}: {pulled.num_new} new, {pulled.num_kept} as before")


@verdicts_app.command(
    "import", epilog="Example: avadclip verdicts import export.json --results pages/lobby/detection.json --out verdicts"
)
def import_label_studio(
    export: Annotated[Path, typer.Argument(dir_okay=False, help="Label Studio's export in its format JSON.")],
    results: Annotated[
        list[Path], typer.Option(help="The results whose events were corrected: detection.json; repeatable.")
    ],
    out: OutFolder,
) -> None:
    """Add corrections made in Label Studio to a folder of verdicts."""
    from avadclip.report.corrections import import_corrections

    num_added = import_corrections(export, results, out)
    report_success(f"{printable(str(out))}: {counted(num_added, 'verdict')} from {printable(export.name)}")
