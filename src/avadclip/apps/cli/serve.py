"""`avadclip serve`."""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

import typer

from avadclip.apps.cli.options import Device, Network, Offline, set_offline

GB = 1_000_000_000


class LogFormat(StrEnum):
    """Forms of the log."""

    TEXT = "text"
    JSON = "json"


def serve(  # noqa: PLR0917  Typer's way to declare options
    host: Annotated[
        str, typer.Option(help="Address to listen on; other than localhost needs --token-file.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    data: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder for uploads, results and the database.", show_default="per user"),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            envvar="AVADCLIP_DATABASE", help="postgresql://user:password@host/name.", show_default="SQLite in --data"
        ),
    ] = None,
    folder: Annotated[list[Path] | None, typer.Option(help="Folder whose videos jobs may use; repeatable.")] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="File with one `name: token` per line; clients must send a token."),
    ] = None,
    host_name: Annotated[
        list[str] | None, typer.Option(help="Host name under which clients reach the service; repeatable.")
    ] = None,
    root_path: Annotated[
        str, typer.Option(help="Path at which a proxy shows the service, for example /avadclip.", show_default="none")
    ] = "",
    model: Annotated[
        str, typer.Option(help="A checkpoint file, `starter`, `avadclip-xd` or hf://OWNER/NAME.")
    ] = "starter",
    network: Network = None,
    encoders: Annotated[
        str | None, typer.Option(help="lite, lite-1, clip, clip:FOLDER or onnx:FOLDER.", show_default="the model's own")
    ] = None,
    device: Device = "auto",
    max_upload_gb: Annotated[float, typer.Option(min=0.001, help="Largest accepted video.")] = 4.0,
    max_hours: Annotated[
        float, typer.Option(min=0.01, help="Longest accepted video, and time limit of scoring one.")
    ] = 24.0,
    quota_gb: Annotated[float, typer.Option(min=0.001, help="Quota of all uploaded videos together.")] = 50.0,
    retention_days: Annotated[
        float, typer.Option(min=0, help="Delete jobs and their videos this long after they ended; 0 keeps them.")
    ] = 30.0,
    fetch_host: Annotated[
        list[str] | None, typer.Option(help="Host that videos may be fetched from; repeatable.")
    ] = None,
    fetch_network: Annotated[
        list[str] | None, typer.Option(help="Private network such hosts may be in, for example 10.1.0.0/16.")
    ] = None,
    log_format: Annotated[
        LogFormat,
        typer.Option(help="text: warnings and errors; json: one object per line, with every request."),
    ] = LogFormat.TEXT,
    offline: Offline = False,
) -> None:
    """Serve detection to browsers and programs, until Ctrl-C.

    The web page is at / and the API documentation at /docs. The address and the log go to stderr.
    """
    set_offline(offline)
    from avadclip.apps.service import server
    from avadclip.apps.service.settings import (
        LOOPBACK_NAMES,
        ServiceSettings,
        default_data,
        read_tokens,
        resolve_folders,
    )

    settings = ServiceSettings(
        data=data if data is not None else default_data(),
        database_url=database,
        folders=resolve_folders(folder or []),
        tokens=read_tokens(token_file) if token_file is not None else {},
        host_names=frozenset(name.lower() for name in (*LOOPBACK_NAMES, host, *(host_name or []))),
        root_path=_prefix(root_path),
        max_upload_bytes=round(max_upload_gb * GB),
        quota_bytes=round(quota_gb * GB),
        max_video_seconds=max_hours * 3600,
        retention_days=retention_days or None,
        fetch_hosts=frozenset(name.lower() for name in fetch_host or []),
        fetch_networks=tuple(_network(text) for text in fetch_network or []),
    )
    server.serve(
        settings,
        host=host,
        port=port,
        model=model,
        encoders=encoders,
        device=device,
        network=network,
        log_json=log_format is LogFormat.JSON,
    )


def _prefix(text: str) -> str:
    from avadclip.apps.service.http.proxy import PREFIX

    prefix = text.rstrip("/")
    if prefix and not PREFIX.fullmatch(prefix):
        raise typer.BadParameter(f"{text} is not a path of letters, digits and . _ ~ -; give one such as /avadclip")
    return prefix


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text} is not a network; give one such as 10.1.0.0/16") from error
