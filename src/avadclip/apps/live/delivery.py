"""Delivery of the ledger's messages: one thread per sink, retries with back-off, failures on record."""

import logging
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from avadclip.apps.live.ledger import Ledger, Waiting
from avadclip.apps.live.messages import Message
from avadclip.config import FrozenConfig
from avadclip.errors import AvadclipError

RETRY_SECONDS = (5, 30, 120, 300, 900, 1800, 3600)  # after the first failure, the second, ..; the last repeats
MAX_ATTEMPTS = 31  # a day by RETRY_SECONDS, whatever the clock does; then to the file of undelivered messages
WARN_SECONDS = 60.0  # at most one line about failures so often

log = logging.getLogger(__name__)


class DeliveryError(Exception):
    """Failed delivery that may succeed later."""


class Sink(ABC):
    """Where the events of a watch go. Messages wait in the state folder until they are delivered."""

    name: str = ""
    """In logs and statistics; what waits for delivery waits under this name. A plug-in's is that of its entry point."""
    settings: ClassVar[type[FrozenConfig]] = FrozenConfig
    """What its table in the configuration holds; none by default."""

    @classmethod
    def open(cls, settings: Any, cameras: Sequence[str]) -> Self:
        """Open the sink before anything is delivered.

        Args:
            settings: an instance of `cls.settings`; the default passes it to the constructor.
            cameras: names of the watched cameras.

        Raises:
            AvadclipError: it can never be used with these settings. A receiver that is away is no error.
        """
        del cameras
        return cls(settings)

    def __init__(self, settings: Any) -> None:
        del settings

    @abstractmethod
    def deliver(self, message: Waiting, stopping: threading.Event) -> bool:
        """Deliver one message about an event, in the sink's own thread, one after the other.

        Args:
            message: its `body` is one line of JSON, an EventMessage; its `id` is the same in every attempt.
            stopping: set when the watch ends; a sink that waits for its receiver gives up within a second.

        Returns:
            True once the receiver has it; False if stopped before that is certain. Any exception is a failed delivery:
            the message is delivered again later.
        """

    def send(self, message: Message) -> None:  # noqa: B027  most sinks take events alone
        """Take note of any message as it arises, in the watch's thread; only for what may be lost. Must not block."""

    def close(self) -> None:  # noqa: B027  most sinks have nothing to close
        """Give everything back; called once, after the last delivery."""


class Delivery(threading.Thread):
    """Thread that delivers one sink's messages from the ledger, oldest first and in order within an event.

    Args:
        sink: delivers one message.
        ledger: source of the messages; one is removed once it was delivered or given up.
        undelivered: JSON lines file of messages that were given up.
        retry_seconds: waiting times after failures.
    """

    def __init__(
        self, sink: Sink, ledger: Ledger, undelivered: Path, *, retry_seconds: tuple[float, ...] = RETRY_SECONDS
    ) -> None:
        super().__init__(name=f"delivery {sink.name}", daemon=True)
        self._sink = sink
        self._ledger = ledger
        self._undelivered = undelivered
        self._retry_seconds = retry_seconds
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._next_warning = -math.inf
        self._delivered: set[int] = set()  # and still in the ledger, if that could not be written
        self.num_given_up = 0
        self.last_error: str | None = None

    def notify(self) -> None:
        """Notify the thread of a new message."""
        self._wake.set()

    def finish(self, seconds: float) -> None:
        """Deliver due messages for up to `seconds`, then end; the rest stays in the ledger."""
        deadline = time.monotonic() + seconds
        while self.is_alive() and self._has_due() and time.monotonic() < deadline:
            self._stopping.wait(0.05)
        self._stopping.set()
        self._wake.set()
        if self.is_alive():
            self.join()
        if num_waiting := self.num_waiting:
            log.warning("%s: %d messages undelivered; the next start sends them", self._sink.name, num_waiting)
        if self.num_given_up:
            log.warning("%s: %d messages given up; see %s", self._sink.name, self.num_given_up, self._undelivered)

    @property
    def num_waiting(self) -> int:
        """Messages in the ledger that are not delivered yet."""
        return self._ledger.count_waiting(self._sink.name)

    def run(self) -> None:
        """Deliver until stopped; nothing else ends the thread."""
        while not self._stopping.is_set():
            try:
                self._deliver_next()
            except Exception as error:  # the ledger's: its disk is full, say
                self._warn(f"{_one_line(error)}; trying again in {self._retry_seconds[0]:g} s")
                self._stopping.wait(self._retry_seconds[0])

    def _deliver_next(self) -> None:
        self._wake.clear()
        message = self._ledger.next_waiting(self._sink.name)
        seconds = None if message is None else self._seconds_until(message)
        if message is None or seconds:
            self._wake.wait(seconds)
        elif message.number in self._delivered or self._try(message):
            self._delivered.add(message.number)
            self._ledger.forget(message)
            self._delivered.discard(message.number)

    def _has_due(self) -> bool:
        message = self._ledger.next_waiting(self._sink.name)
        return message is not None and not self._seconds_until(message)

    def _seconds_until(self, message: Waiting) -> float:
        """Time to wait for the next attempt. No attempt is due after the longest wait: then the clock was set back."""
        seconds = message.due - time.time()
        return seconds if 0 < seconds <= max(self._retry_seconds) else 0.0

    def _try(self, message: Waiting) -> bool:
        """Whether the sink has the message, or it was given up."""
        try:
            is_delivered = self._sink.deliver(message, self._stopping)
            self.last_error = None if is_delivered else self.last_error
            return is_delivered
        except Exception as error:  # also one that no sink should raise: an alarm is never lost with its thread
            reason = self.last_error = _one_line(error)
        if message.attempts + 1 >= MAX_ATTEMPTS:
            log.error("%s: %s; gave up after %d attempts", self._sink.name, reason, message.attempts + 1)
            with self._undelivered.open("a", encoding="utf-8") as file:
                file.write(message.body + "\n")
            self.num_given_up += 1
            return True
        wait = self._retry_seconds[min(message.attempts, len(self._retry_seconds) - 1)]
        self._ledger.postpone(message, time.time() + wait)
        self._warn(f"{reason}; trying again in {wait:g} s")
        return False

    def _warn(self, text: str) -> None:
        if time.monotonic() >= self._next_warning:
            self._next_warning = time.monotonic() + WARN_SECONDS
            log.warning("%s: %s", self._sink.name, text)


def _one_line(error: Exception) -> str:
    """What happened; an exception of an unexpected class states its class too."""
    text = " ".join(str(error).split())
    return text if isinstance(error, DeliveryError | AvadclipError) else f"{type(error).__name__}: {text}"
