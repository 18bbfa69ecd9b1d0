"""Messages about events on their way to the sinks: stored in the state folder, delivered by one thread per sink."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from avadclip.apps.live.config import WatchConfig
from avadclip.apps.live.delivery import Deliverer, Delivery
from avadclip.apps.live.ledger import Ledger
from avadclip.apps.live.messages import EventMessage, Message, SinkStats
from avadclip.extras import require_extra

if TYPE_CHECKING:
    from avadclip.apps.live.sinks.notice_plan import NoticePlan

DRAIN_SECONDS = 5.0  # at the end, for due messages; the rest is sent after the next start


class Outbox:
    """The sinks of a watch and their ledger.

    Args:
        folder: of the state.
        config: names the sinks.
        deliverers: further sinks of events.
        cleanup: delivers what is due, then closes everything.
        drained: called in between, while the counts can still be read.

    Raises:
        ConfigError: the folder is in use, a sink's library is missing, or an address is unknown.
    """

    def __init__(
        self,
        folder: Path,
        config: WatchConfig,
        deliverers: Sequence[Deliverer],
        cleanup: ExitStack,
        drained: Callable[[], None],
    ) -> None:
        self.subscribers: list[Callable[[Message], None]] = []
        """They get every message of the watch at once, and none again."""
        self._notice_plans: list[NoticePlan] = []
        self._ledger = Ledger(folder)
        cleanup.callback(self._ledger.close)
        cleanup.callback(drained)
        self._event_sinks = [*deliverers]
        notices: list[Deliverer] = []
        if config.webhook or config.mqtt or config.notice:
            require_extra("live")
            notices = self._open_sinks(config, cleanup)
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

    def _open_sinks(self, config: WatchConfig, cleanup: ExitStack) -> list[Deliverer]:
        """Open the sinks that need the extra; return those of notices."""
        notices: list[Deliverer] = []
        if config.notice:
            from avadclip.apps.live.sinks.notice import NoticeSink
            from avadclip.apps.live.sinks.notice_plan import NoticePlan

            notices += [NoticeSink(notice) for notice in config.notice]
            self._notice_plans += [NoticePlan(notice, config.cameras) for notice in config.notice]
        if config.webhook is not None:
            from avadclip.apps.live.sinks.webhook import Webhook

            self._event_sinks.append(Webhook(config.webhook))
        if config.mqtt is not None:
            from avadclip.apps.live.sinks.mqtt import MqttSink

            sink = MqttSink(config.mqtt, config.cameras)
            sink.start()
            cleanup.callback(sink.stop)
            self.subscribers.append(sink.send)
            self._event_sinks.append(sink)
        return notices
