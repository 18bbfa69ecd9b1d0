"""Running a service until it is told to stop."""

from functools import partial

import uvicorn

from avadclip.errors import ConfigError
from avadclip.service.app import create_app
from avadclip.service.logs import log_to_stderr
from avadclip.service.service import Service
from avadclip.service.settings import LOOPBACK_NAMES, ServiceSettings
from avadclip.service.worker import load_by_name

SHUTDOWN_SECONDS = 3  # for clients that are being answered


def check_exposure(host: str, settings: ServiceSettings) -> None:
    """ConfigError where others could reach a service that asks nobody for a token."""
    if host not in LOOPBACK_NAMES and not settings.tokens:
        raise ConfigError(
            f"{host} can be reached from other machines, so tokens are needed; add --token-file FILE, or use 127.0.0.1"
        )


def serve(settings: ServiceSettings, *, host: str, port: int, model: str, encoders: str | None, device: str) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ConfigError: tokens are missing, the data folder is in use, the database cannot be opened, or the model cannot
            be loaded.
    """
    check_exposure(host, settings)
    log_to_stderr()

    def stop_server() -> None:
        server.should_exit = True

    load = partial(load_by_name, model, encoders, device)
    service = Service(settings, model=model, load=load, on_fatal=stop_server)
    config = uvicorn.Config(
        create_app(service),
        host=host,
        port=port,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = uvicorn.Server(config)
    server.run()
    if service.runner.problem is not None:
        raise ConfigError(service.runner.problem)
