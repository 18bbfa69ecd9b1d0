"""The extras of the package: libraries that only some parts need, and the error where they are not installed."""

from importlib.util import find_spec
from typing import NamedTuple

from avadclip.errors import ConfigError


class OptionalPart(NamedTuple):
    """A part of the package that needs an extra."""

    title: str
    modules: tuple[str, ...]
    """Names by which the extra's libraries are imported."""


TRAINING = ("accelerate", "tensorboard", "tomli_w")
EXTRAS = {
    "train": OptionalPart("training", TRAINING),
    "serve": OptionalPart(
        "the service and its store",
        (
            "fastapi",
            "fastapi_offline",
            "python_multipart",
            "uvicorn",
            "h11",
            "sqlalchemy",
            "alembic",
            "psycopg",
            "prometheus_client",
        ),
    ),
    "live": OptionalPart("a webhook, MQTT or a notice", ("paho", "standardwebhooks", "apprise")),
    "ray": OptionalPart("--ray", ("ray", "pyarrow", "fsspec", "s3fs")),
    "export": OptionalPart("the export to OpenTimelineIO", ("opentimelineio",)),
    "bench": OptionalPart("the benchmark", (*TRAINING, "cv2")),
}


def missing_libraries(extra: str) -> list[str]:
    """Libraries of an extra that are not installed, by the names they are imported by; none is imported."""
    return [name for name in EXTRAS[extra].modules if find_spec(name) is None]


def require_extra(extra: str) -> None:
    """Raise ConfigError unless all libraries of an extra are installed; optional parts call this before they import."""
    missing = missing_libraries(extra)
    if missing:
        raise ConfigError(
            f"{EXTRAS[extra].title} needs {', '.join(missing)}, not installed; run `pip install 'avadclip[{extra}]'`"
        )
