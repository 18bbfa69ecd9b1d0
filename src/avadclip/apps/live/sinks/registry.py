"""All sinks by name: avadclip's own, and those of plug-ins.

The store is a sink of the service, which stands above this package: the command line adds it to a watch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from avadclip.apps.live.delivery import Sink
from avadclip.config import FrozenConfig, parse_config
from avadclip.errors import AvadclipError, ConfigError
from avadclip.extras import require_extra
from avadclip.plugins import Registry

OWN = ("webhook", "mqtt", "notice", "store")


def _own(name: str) -> type[Sink]:
    """Import one of avadclip's own sinks; ConfigError where the extra is missing."""
    require_extra("live")
    match name:
        case "webhook":
            from avadclip.apps.live.sinks.webhook import Webhook

            return Webhook
        case "mqtt":
            from avadclip.apps.live.sinks.mqtt import MqttSink

            return MqttSink
        case "notice":
            from avadclip.apps.live.sinks.notice import NoticeSink

            return NoticeSink
    raise ConfigError(f"the sink {name} is no part of a watch alone; use `avadclip watch` with a table [{name}]")


def _problem_of(part: object) -> str | None:
    if not (isinstance(part, type) and issubclass(part, Sink)):
        kind = f"the class {part.__name__}" if isinstance(part, type) else f"a {type(part).__name__}"
        return f"it is {kind}, needed a subclass of avadclip.Sink"
    missing = sorted(part.__abstractmethods__)
    if missing:
        return f"{part.__name__} lacks {', '.join(missing)}"
    if not (isinstance(part.settings, type) and issubclass(part.settings, FrozenConfig)):
        return f"the settings of {part.__name__} are no subclass of avadclip.FrozenConfig"
    return None


SINKS = Registry("sink", "avadclip.sinks", OWN, _own, _problem_of)


def open_sink(name: str, settings: FrozenConfig, cameras: Sequence[str]) -> Sink:
    """Open a sink.

    Args:
        name: see SINKS.
        settings: of the class that the sink's `settings` names.
        cameras: names of the watched cameras.

    Raises:
        ConfigError: an unknown name, a plug-in that cannot be used, or a missing library.
        AvadclipError: as the sink's own `open` says.
    """
    sink_class = SINKS.find(name)
    if name in OWN:
        return sink_class.open(settings, cameras)
    try:
        sink = sink_class.open(settings, cameras)
    except AvadclipError:
        raise
    except Exception as error:  # a plug-in may raise anything
        raise ConfigError(
            f"{SINKS.origin(name)} cannot be opened ({type(error).__name__}: {error}); see its documentation"
        ) from error
    sink.name = name
    return sink


def parse_settings(name: str, table: Mapping[str, Any]) -> FrozenConfig:
    """The settings of a sink by its table; raises ConfigError, as open_sink for the name."""
    return parse_config(dict(table), SINKS.find(name).settings, origin=f"sinks.{name}")
