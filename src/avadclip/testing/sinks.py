"""What every sink promises, see apps.live.delivery.Sink."""

import itertools
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from avadclip.apps.live.delivery import Delivery, Sink
from avadclip.apps.live.ledger import Cooldown, Ledger, PlannedNotice, Waiting
from avadclip.apps.live.messages import EventMessage
from avadclip.apps.live.sinks.registry import open_sink, parse_settings
from avadclip.errors import ConfigError
from avadclip.testing.checks import Check, require, run_checks
from avadclip.testing.messages import CAMERA, event_message, messages_of_all_kinds

PATIENCE_SECONDS = 20.0  # for what a receiver, or the connection to it, needs
STOP_SECONDS = 5.0  # within which a delivery ends once the watch stops
RETRY_SECONDS = (0.2,)
BROKEN_SECONDS = 0.6  # that a receiver stays away

_event_numbers = itertools.count(1)


def check_sink(
    name: str,
    settings: Mapping[str, Any],
    *,
    received: Callable[[], Sequence[str]],
    broken: Callable[[], AbstractContextManager[object]],
) -> None:
    """Check a sink with a real receiver: a file, a local server.

    Messages arrive, in order within an event; none counts as delivered while the receiver is broken, and all arrive
    afterwards; a delivery ends when the watch stops; messages of all kinds are taken note of without an exception;
    unknown settings are refused; and a closed sink leaves no thread and can be opened again.

    Args:
        name: a plug-in's, as a table `[sinks.NAME]` has it.
        settings: of that table.
        received: ids of the messages about events that the receiver has, in the order of their arrival. It may have
            one twice, and may leave out messages of the type `update`.
        broken: the receiver takes nothing inside this context.

    Raises:
        AvadclipError: the sink cannot be opened.
        ExceptionGroup: the failures, each with the name of its check.
    """

    def unknown_settings_are_refused() -> None:
        try:
            parse_settings(name, {**settings, "no_such_setting": 1})
        except ConfigError:
            return
        raise AssertionError("the setting `no_such_setting` is accepted")

    def open_it() -> Sink:
        return open_sink(name, parse_settings(name, settings), (CAMERA,))

    open_it().close()
    checks = SinkChecks(open_it, received, broken)
    run_checks(f"sink {name}", [*checks.all(), unknown_settings_are_refused])


class SinkChecks:
    """Checks of a sink, however it is opened; see check_sink.

    Args:
        body: what the ledger holds of a message.
    """

    def __init__(
        self,
        open_it: Callable[[], Sink],
        received: Callable[[], Sequence[str]],
        broken: Callable[[], AbstractContextManager[object]],
        body: Callable[[EventMessage], str] = EventMessage.to_json,
    ) -> None:
        self._open_it = open_it
        self._received = received
        self._broken = broken
        self._body = body

    def all(self) -> list[Check]:
        """Every check."""
        return [
            self._a_delivered_message_has_arrived,
            self._nothing_is_delivered_while_the_receiver_is_broken,
            self._failed_messages_arrive_later_in_order,
            self._messages_of_all_kinds_are_taken_without_an_exception,
            self._a_closed_sink_leaves_no_thread_and_opens_again,
        ]

    def _a_delivered_message_has_arrived(self) -> None:
        with self._opened() as sink:
            for message in self._events("new", "end"):
                self._deliver(sink, message)
                self._wait_for([message])

    def _nothing_is_delivered_while_the_receiver_is_broken(self) -> None:
        (message,) = self._events("new")
        with self._opened() as sink:
            with self._broken():
                answers = self._attempt(sink, message, seconds=BROKEN_SECONDS)
            require(bool(answers), f"a delivery does not end within {STOP_SECONDS:g} s after the watch stops")
            require(answers[0] is not True, "deliver returns True though the receiver is broken: the message is lost")

    def _failed_messages_arrive_later_in_order(self) -> None:
        sent = [*self._events("new", "update", "end"), *self._events("new")]
        with tempfile.TemporaryDirectory() as folder, self._opened() as sink:
            ledger = Ledger(Path(folder))
            delivery = Delivery(sink, ledger, Path(folder) / "undelivered.jsonl", retry_seconds=RETRY_SECONDS)
            with self._broken():
                for message in sent:
                    waiting = PlannedNotice(sink.name, CAMERA, Cooldown(0.0, {}), self._body(message))
                    ledger.record(message, (), [waiting])
                delivery.start()
                time.sleep(BROKEN_SECONDS)
                lost = len(sent) - ledger.count_waiting(sink.name)
            try:
                require(lost == 0, f"{lost} messages count as delivered though the receiver is broken")
                self._wait_for(sent)
                end = time.monotonic() + PATIENCE_SECONDS
                while ledger.count_waiting(sink.name) and time.monotonic() < end:
                    time.sleep(0.02)
                require(ledger.count_waiting(sink.name) == 0, "messages that have arrived do not count as delivered")
            finally:
                delivery.finish(0.0)
                ledger.close()

    def _messages_of_all_kinds_are_taken_without_an_exception(self) -> None:
        with self._opened() as sink:
            for message in messages_of_all_kinds():
                sink.send(message)

    def _a_closed_sink_leaves_no_thread_and_opens_again(self) -> None:
        before = set(threading.enumerate())
        for message in self._events("new", "end"):
            with self._opened() as sink:
                self._deliver(sink, message)
                self._wait_for([message])
        end = time.monotonic() + STOP_SECONDS
        while (left := set(threading.enumerate()) - before) and time.monotonic() < end:
            time.sleep(0.02)
        left = {each for each in left if not each.daemon}
        require(not left, f"a closed sink leaves the threads {', '.join(each.name for each in left)}")

    @contextmanager
    def _opened(self) -> Iterator[Sink]:
        sink = self._open_it()
        try:
            yield sink
        finally:
            sink.close()

    def _events(self, *types: Any) -> list[EventMessage]:
        """Messages about one new event."""
        event = next(_event_numbers)
        return [event_message(kind, event, number) for number, kind in enumerate(types)]

    def _deliver(self, sink: Sink, message: EventMessage) -> None:
        """Deliver to a receiver that works."""
        answers = self._attempt(sink, message, seconds=PATIENCE_SECONDS)
        require(bool(answers), f"a delivery does not end within {STOP_SECONDS:g} s after the watch stops")
        if isinstance(answers[0], Exception):
            raise answers[0]
        require(answers[0] is True, f"deliver returns {answers[0]}, needed True for a message that was delivered")

    def _attempt(self, sink: Sink, message: EventMessage, *, seconds: float) -> list[bool | Exception]:
        """Deliver in a thread, and stop after so long; what it returned or raised, nothing where it does not end."""
        now, stopping, answers = time.time(), threading.Event(), list[bool | Exception]()
        waiting = Waiting(1, message.id, self._body(message), created=now, attempts=0, due=now)

        def deliver() -> None:
            try:
                answers.append(sink.deliver(waiting, stopping))
            except Exception as error:
                answers.append(error)

        thread = threading.Thread(target=deliver, daemon=True)
        thread.start()
        thread.join(seconds)
        stopping.set()
        thread.join(STOP_SECONDS)
        return answers

    def _wait_for(self, sent: Sequence[EventMessage]) -> None:
        """Wait until all but updates have arrived; then require the order within every event."""
        needed = {message.id for message in sent if message.type != "update"}
        end = time.monotonic() + PATIENCE_SECONDS
        while not needed <= (arrived := set(self._received())) and time.monotonic() < end:
            time.sleep(0.02)
        missing = sorted(needed - arrived)
        require(not missing, f"{', '.join(missing)} did not arrive within {PATIENCE_SECONDS:g} s")
        first_arrivals = list(dict.fromkeys(self._received()))
        for event in {message.after.id for message in sent}:
            found = [each for each in first_arrivals if each.rpartition(".")[0] == event]
            expected = [message.id for message in sent if message.after.id == event and message.id in found]
            found = [each for each in found if each in expected]
            require(found == expected, f"messages about one event arrive as {', '.join(found)}")
