"""Messages about events on their way to the sinks: stored in the state folder, delivered by one thread per sink."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from avadclip.apps.live.config import WatchConfig
from avadclip.apps.live.delivery import WARN_SECONDS, Delivery, Sink
from avadclip.apps.live.ledger import Ledger
from avadclip.apps.live.messages import EventMessage, Message, SinkStats
from avadclip.apps.live.sinks.notice_plan import NoticePlan
from avadclip.apps.live.sinks.registry import OWN, open_sink, parse_settings
from avadclip.config import FrozenConfig
from avadclip.errors import ConfigError

DRAIN_SECONDS = 5.0  # at the end, for due messages; the rest is sent after the next start

log = logging.getLogger(__name__)


class Outbox:
    """The sinks of a watch and their ledger.

    Args:
        folder: of the state.
        config: names the sinks.
        deliverers: further sinks of events.
        cleanup: delivers what is due, then closes everything; used up where this raises.
        drained: called in between, while the counts can still be read.

    Raises:
        ConfigError: the folder is in use, a sink's library is missing, or an address is unknown.
    """

    def __init__(
        self,
        folder: Path,
        config: WatchConfig,
        deliverers: Sequence[Sink],
        cleanup: ExitStack,
        drained: Callable[[], None],
    ) -> None:
        self.subscribers: list[Callable[[Message], None]] = []
        """They get every message of the watch at once, and none again."""
        self._notice_plans = [NoticePlan(notice, config.cameras) for notice in config.notice]
        self._ledger = Ledger(folder)
        cleanup.callback(self._ledger.close)
        self._event_sinks = [*deliverers]
        notices: list[Sink] = []
        try:
            for name, settings in _named_sinks(config):
                sink = open_sink(name, settings, tuple(config.cameras))
                cleanup.callback(_close, sink)
                self.subscribers.append(_Subscriber(sink))
                (notices if name == "notice" else self._event_sinks).append(sink)
        except BaseException:
            cleanup.close()
            raise
        cleanup.callback(drained)
        self._deliveries = {
            sink.name: Delivery(sink, self._ledger, folder / "undelivered.jsonl")
            for sink in (*self._event_sinks, *notices)
        }
        for delivery in self._deliveries.values():
            cleanup.callback(delivery.finish, DRAIN_SECONDS)

    def start(self) -> None:
        """Begin to deliver, first what an earlier process left."""
        for delivery in self._deliveries.values():
            delivery.start()

    def record(self, message: EventMessage) -> None:
        """Store a message for every sink, with the notices that it gives rise to; the threads deliver it."""
        camera = message.after.source
        planned = [plan.plan(message, self._ledger.cooldown(plan.sink, camera)) for plan in self._notice_plans]
        names = [sink.name for sink in self._event_sinks]
        self._ledger.record(message, names, [notice for notice in planned if notice is not None])
        for delivery in self._deliveries.values():
            delivery.notify()

    def open_events(self) -> list[EventMessage]:
        """The last message of every open event."""
        return self._ledger.open_events()

    @property
    def num_waiting(self) -> int:
        """Undelivered messages of all sinks."""
        return sum(delivery.num_waiting for delivery in self._deliveries.values())

    def stats(self) -> dict[str, SinkStats]:
        """Current counts by sink."""
        return {
            name: SinkStats(waiting=each.num_waiting, given_up=each.num_given_up, last_error=each.last_error)
            for name, each in self._deliveries.items()
        }


class _Subscriber:
    """A sink's `send`, whose exceptions are logged and end nothing."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._next_warning = -math.inf

    def __call__(self, message: Message) -> None:
        try:
            self._sink.send(message)
        except Exception as error:  # a plug-in may raise anything
            if time.monotonic() >= self._next_warning:
                self._next_warning = time.monotonic() + WARN_SECONDS
                log.warning("%s: %s: %s", self._sink.name, type(error).__name__, error)


def _close(sink: Sink) -> None:
    try:
        sink.close()
    except Exception as error:  # the ledger and the other sinks are closed all the same
        log.warning("%s: cannot be closed (%s: %s)", sink.name, type(error).__name__, error)


def _named_sinks(config: WatchConfig) -> Iterator[tuple[str, FrozenConfig]]:
    """Names and settings of the sinks that a configuration names; the store is among the deliverers."""
    for notice in config.notice:
        yield "notice", notice
    if config.webhook is not None:
        yield "webhook", config.webhook
    if config.mqtt is not None:
        yield "mqtt", config.mqtt
    for name, table in config.sinks.items():
        if name in OWN:
            raise ConfigError(f"sinks.{name}: {name} is a sink of avadclip itself; write the table as [{name}]")
        yield name, parse_settings(name, table)
