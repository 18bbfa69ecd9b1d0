"""Server process of the service."""

import os
import socket
import sys
from collections.abc import Callable
from functools import partial

import uvicorn
from fastapi import FastAPI

from avadclip.apps.service.app import create_app
from avadclip.apps.service.http.connections import ACCEPT_SHARE, ImpatientProtocol, raise_file_limit
from avadclip.apps.service.http.proxy import BehindProxy
from avadclip.apps.service.jobs.worker import load_by_name, obtain_by_name
from avadclip.apps.service.logs import log_to_stderr
from avadclip.apps.service.service import Service
from avadclip.apps.service.settings import LOOPBACK_NAMES, ServiceSettings
from avadclip.encoders.downloads.notice import is_offline
from avadclip.errors import ConfigError
from avadclip.files import PRIVATE_UMASK

SHUTDOWN_SECONDS = 3  # for responses in progress


def check_exposure(host: str, settings: ServiceSettings) -> None:
    """Raise ConfigError if other machines could reach a service without tokens."""
    if host not in LOOPBACK_NAMES and not settings.tokens:
        raise ConfigError(
            f"{host} can be reached from other machines, which needs tokens; add --token-file FILE, or use 127.0.0.1"
        )


def serve(
    settings: ServiceSettings,
    *,
    host: str,
    port: int,
    model: str,
    encoders: str | None,
    device: str,
    network: str | None,
    log_json: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM; one line on stderr has the address.

    Raises:
        AvadclipError: tokens are missing, weights cannot be downloaded, the data folder is in use, the database cannot
            be opened, or the model cannot be loaded.
    """
    check_exposure(host, settings)
    if not is_offline():
        obtain_by_name(model, encoders)
    os.umask(PRIVATE_UMASK)  # of the workers, too
    log_to_stderr(as_json=log_json)

    def stop_server() -> None:
        server.should_exit = True

    load = partial(load_by_name, model, encoders, device, network)
    service = Service(settings, model=model, load=load, on_fatal=stop_server)
    server = make_server(create_app(service), host=host, port=port, root_path=settings.root_path)
    server.on_start = partial(_print_address, host, port)
    server.run()
    if service.runner.problem is not None:
        raise ConfigError(service.runner.problem)


class PageServer(uvicorn.Server):
    """Server that says when it accepts connections."""

    on_start: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening."""
        await super().startup(sockets)
        if self.started and self.on_start is not None:
            self.on_start()


def _print_address(host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    print(f"avadclip is at http://{shown}:{port} (Ctrl-C stops it)", file=sys.stderr, flush=True)  # noqa: T201


def make_server(app: FastAPI, *, root_path: str, host: str = "127.0.0.1", port: int = 0) -> PageServer:
    """The server of an application, with limits for its clients."""
    limit = raise_file_limit()
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=ImpatientProtocol,
        ws="none",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        backlog=max(1, limit // ACCEPT_SHARE),
        limit_concurrency=limit,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    config.app = BehindProxy(app, root_path=root_path, trusted_hosts=config.forwarded_allow_ips)
    return PageServer(config)
