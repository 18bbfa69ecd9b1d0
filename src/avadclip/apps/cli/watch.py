"""`avadclip watch`."""

import signal
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.apps.cli.options import Device, Network, Offline, SkipStill, set_offline

if TYPE_CHECKING:
    from contextlib import ExitStack

    from avadclip.apps.live.config import StoreConfig, WatchConfig
    from avadclip.apps.live.messages import Message
    from avadclip.apps.live.watch import Publish, Watch
    from avadclip.apps.service.cameras.live_sink import StoreSink
    from avadclip.apps.service.settings import ServiceSettings
    from avadclip.inference.detector import Detector


class WatchFormat(StrEnum):
    """What goes to stdout."""

    TEXT = "text"
    JSON = "json"


SOURCE_NAME = "camera"  # of a source named on the command line


def watch(  # noqa: PLR0917  Typer's way to declare options
    source: Annotated[
        str | None,
        typer.Argument(help="rtsp://, http:// or https:// URL, /dev/video0, or a video file.", show_default=False),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(dir_okay=False, help="TOML file with cameras, their rules, and sinks.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="A checkpoint file, `starter`, `avadclip-xd` or hf://OWNER/NAME; with SOURCE.")
    ] = "starter",
    network: Network = None,
    device: Device = "auto",
    skip_still: SkipStill = False,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Score threshold of events; with SOURCE.", show_default="the model's own"),
    ] = None,
    sound: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=THRESHOLD]",
            help="A sound that raises events, in place of the default ones; repeatable; with SOURCE.",
        ),
    ] = None,
    no_sounds: Annotated[bool, typer.Option("--no-sounds", help="Do not name sounds; with SOURCE.")] = False,
    speed: Annotated[float, typer.Option(min=0.01, max=100, help="Playback speed of a file; with SOURCE.")] = 1.0,
    scores: Annotated[bool, typer.Option("--scores", help="Also print every snippet's score.")] = False,
    output_format: Annotated[
        WatchFormat | None,
        typer.Option(
            "--format",
            help="Output on stdout: lines for people, or JSON lines for programs.",
            show_default="text on a terminal, else json",
        ),
    ] = None,
    offline: Offline = False,
) -> None:
    """Watch cameras, or a file in real time, and report events as they happen.

    Prints one line on stdout when an event begins (new), changes (update)
    and ends (end), and when a camera's state changes: for people on a
    terminal, JSON in a pipe or file. Ctrl-C stops and ends the open events.
    """
    set_offline(offline)
    if (source is None) == (config is None):
        raise typer.BadParameter("give either a SOURCE or --config FILE")
    if sound and no_sounds:
        raise typer.BadParameter("--sound and --no-sounds exclude each other")

    from avadclip.apps.live.config import WatchConfig
    from avadclip.config import parse_config, read_config
    from avadclip.inference.named_sounds import parse_sound

    if config is not None:
        wanted = read_config(config, WatchConfig)
    else:
        sounds = False if no_sounds else dict(map(parse_sound, sound)) if sound else None
        camera = {"source": source, "threshold": threshold, "speed": speed, "sounds": sounds}
        content = {"model": model, "network": network, "device": device, "cameras": {SOURCE_NAME: camera}}
        wanted = parse_config(content, WatchConfig, origin="watch")
    if skip_still:
        wanted = wanted.model_copy(update={"skip_still": True})
    is_text = _is_terminal() if output_format is None else output_format is WatchFormat.TEXT
    _run(wanted, _text_printer() if is_text else _print_json, show_scores=scores)


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _run(config: "WatchConfig", show: "Callable[[Message], None]", *, show_scores: bool) -> None:
    import logging
    import os
    from contextlib import ExitStack

    from avadclip.apps.live.watch import Watch, load_live_detector
    from avadclip.files import PRIVATE_UMASK

    logging.basicConfig(format="avadclip: %(message)s", level=logging.WARNING)
    detector = load_live_detector(config)
    with ExitStack() as cleanup:
        cleanup.callback(os.umask, os.umask(PRIVATE_UMASK))  # state and recordings are for their owner alone

        def publish(message: "Message") -> None:
            if show_scores or message.type != "score":
                show(message)

        if config.store is None:
            watch = Watch(config, detector, publish)
        else:
            watch = _stored_watch(config, config.store, detector, publish, cleanup)
        _stop_on_signals(watch)
        watch.run()


def _stored_watch(
    config: "WatchConfig", store: "StoreConfig", detector: "Detector", show: "Publish", cleanup: "ExitStack"
) -> "Watch":
    """A watch whose events and cameras the service shows."""
    from avadclip.apps.live.watch import Watch
    from avadclip.apps.service.cameras.reporter import CameraReporter

    sink = _open_store(store)
    cleanup.callback(sink.close)
    settings = _store_settings(store)
    reporter = CameraReporter(
        settings.store_url,
        pictures=settings.cameras if store.has_folder else None,
        recordings=None if config.recording is None else config.recording.folder,
    )

    def show_and_report(message: "Message") -> None:
        show(message)
        reporter.take(message)

    watch = Watch(config, detector, show_and_report, deliverers=[sink])
    reporter.follow(watch)
    cleanup.callback(reporter.finish)
    return watch


def _open_store(config: "StoreConfig") -> "StoreSink":
    from avadclip.apps.service.cameras.live_sink import StoreSink
    from avadclip.apps.service.ownership import check_sqlite_file

    settings = _store_settings(config)
    if config.database is None:
        check_sqlite_file(settings)
    return StoreSink(settings.store_url)


def _store_settings(config: "StoreConfig") -> "ServiceSettings":
    from avadclip.apps.service.settings import ServiceSettings, default_data

    url = None if config.database is None else config.database.get_secret_value()
    return ServiceSettings(data=config.data or default_data(), database_url=url)


def _stop_on_signals(watch: "Watch") -> None:
    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second signal kills the process at once
        watch.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _print_json(message: "Message") -> None:
    print(message.to_json(), flush=True)  # noqa: T201


def _text_printer() -> "Callable[[Message], None]":
    from avadclip.apps.cli.terminal.live_lines import live_line

    def print_text(message: "Message") -> None:
        line = live_line(message)
        if line is not None:
            print(line, flush=True)  # noqa: T201

    return print_text
