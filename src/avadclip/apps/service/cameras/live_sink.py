"""Events of a watch into the service's store."""

import logging
import threading

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from avadclip.apps.live.delivery import DeliveryError, Sink
from avadclip.apps.live.ledger import Waiting
from avadclip.apps.live.messages import EventMessage
from avadclip.apps.service.schemas import StoredLiveEvent
from avadclip.apps.service.store.database import DatabaseAwayError, reason_of
from avadclip.apps.service.store.store import Store
from avadclip.errors import ConfigError

RETRY_SECONDS = 5.0

log = logging.getLogger(__name__)


class StoreSink(Sink):
    """Sink into the store. A database that is away, now or at the start, is waited for however long that takes.

    Args:
        url: the store, as `Store` takes it.
        retry_seconds: seconds between attempts to reach the database.

    Raises:
        ConfigError: a database that can never be used.
    """

    name = "store"

    def __init__(self, url: str, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._url = url
        self._retry_seconds = retry_seconds
        self._store: Store | None = None
        try:
            self._store = Store(url)
        except DatabaseAwayError as error:
            log.warning("%s; events wait for it in the state folder", error)

    def close(self) -> None:
        """Give the connections back."""
        if self._store is not None:
            self._store.close()

    def deliver(self, message: Waiting, stopping: threading.Event) -> bool:
        """Keep what one message says of its event."""
        event = stored_event(EventMessage.model_validate_json(message.body))
        is_first = True
        while not stopping.is_set():
            try:
                self._store = self._store or Store(self._url)
                self._store.keep_live_event(event)
            except (DatabaseAwayError, OperationalError, InterfaceError) as error:
                if is_first:
                    log.warning("the store is away; events wait for it (%s)", reason_of(error))
                is_first = False
                stopping.wait(self._retry_seconds)
            except (ConfigError, SQLAlchemyError) as error:
                raise DeliveryError(f"the store does not take {message.id} ({reason_of(error)})") from error
            else:
                return True
        return False


def stored_event(message: EventMessage) -> StoredLiveEvent:
    """The event as the message leaves it."""
    return StoredLiveEvent(
        **message.after.model_dump(exclude={"picture_link"}),
        number=message.number,
        is_open=message.type != "end",
        note=message.note,
    )
