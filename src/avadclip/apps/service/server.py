"""Server process of the service, with a log of one JSON object per line on stderr."""

import json
import logging
import os
import sys
import time
from functools import partial

import uvicorn

from avadclip.apps.service.app import create_app
from avadclip.apps.service.jobs.worker import load_by_name, obtain_by_name
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


def serve(settings: ServiceSettings, *, host: str, port: int, model: str, encoders: str | None, device: str) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        AvadclipError: tokens are missing, weights cannot be downloaded, the data folder is in use, the database cannot
            be opened, or the model cannot be loaded.
    """
    check_exposure(host, settings)
    if not is_offline():
        obtain_by_name(model, encoders)
    os.umask(PRIVATE_UMASK)  # of the workers, too
    _log_to_stderr()

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


_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """Log formatter: time, level, logger, message and the `extra` fields as JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{when}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def _log_to_stderr() -> None:
    """Log from level `info` to stderr; the guard logs requests, so uvicorn's own request log is off."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True
