"""Delivery of the ledger's messages: one thread per sink, retries with back-off, failures on record."""

import logging
import threading
import time
from pathlib import Path
from typing import Protocol

from avadclip.apps.live.ledger import Ledger, Waiting

RETRY_SECONDS = (5, 30, 120, 300, 900, 1800, 3600)  # after the first failure, the second, ..; the last repeats
GIVE_UP_SECONDS = 24 * 3600.0  # an older message is written to the file of undelivered messages

log = logging.getLogger(__name__)


class DeliveryError(Exception):
    """Failed delivery that may succeed later."""


class Deliverer(Protocol):
    """Interface of a sink."""

    name: str

    def deliver(self, message: Waiting, stopping: threading.Event) -> bool:
        """Deliver one message; False if stopped before delivery is confirmed. Raises DeliveryError."""
        ...


class Delivery(threading.Thread):
    """Thread that delivers one sink's messages from the ledger, oldest first and in order within an event.

    Args:
        sink: delivers one message.
        ledger: source of the messages; one is removed once it was delivered or given up.
        undelivered: JSON lines file of messages that were given up.
        retry_seconds: waiting times after failures.
    """

    def __init__(
        self, sink: Deliverer, ledger: Ledger, undelivered: Path, *, retry_seconds: tuple[float, ...] = RETRY_SECONDS
    ) -> None:
        super().__init__(name=f"delivery {sink.name}", daemon=True)
        self._sink = sink
        self._ledger = ledger
        self._undelivered = undelivered
        self._retry_seconds = retry_seconds
        self._stopping = threading.Event()
        self._wake = threading.Event()

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

    def run(self) -> None:
        """Deliver until stopped."""
        while not self._stopping.is_set():
            self._wake.clear()
            message = self._ledger.next_waiting(self._sink.name)
            now = time.time()
            if message is None or message.due > now:
                self._wake.wait(None if message is None else message.due - now)
            else:
                self._try(message)

    def _has_due(self) -> bool:
        message = self._ledger.next_waiting(self._sink.name)
        return message is not None and message.due <= time.time()

    def _try(self, message: Waiting) -> None:
        try:
            if self._sink.deliver(message, self._stopping):
                self._ledger.forget(message)
        except DeliveryError as error:
            if time.time() - message.created > GIVE_UP_SECONDS:
                self._give_up(message, error)
                return
            wait = self._retry_seconds[min(message.attempts, len(self._retry_seconds) - 1)]
            log.warning("%s: %s; trying again in %g s", self._sink.name, error, wait)
            self._ledger.postpone(message, time.time() + wait)

    def _give_up(self, message: Waiting, error: DeliveryError) -> None:
        log.error("%s: %s; gave up after %d attempts", self._sink.name, error, message.attempts + 1)
        with self._undelivered.open("a", encoding="utf-8") as file:
            file.write(message.body + "\n")
        self._ledger.forget(message)
