"""Notices through Apprise: e-mail, ntfy, Telegram, Slack and a hundred more services behind one kind of URL."""

import logging
import re
import threading
from pathlib import Path

from apprise import Apprise, AppriseAsset

from avadclip.apps.live.delivery import DeliveryError, Sink
from avadclip.apps.live.ledger import Waiting
from avadclip.apps.live.sinks.notice_config import NoticeConfig
from avadclip.apps.live.sinks.notice_plan import Notice
from avadclip.errors import ConfigError

_STATUS = re.compile(r"\berror=(\d{3})\b")  # in Apprise's own lines about a response

_own_log = logging.getLogger("apprise")


class NoticeSink(Sink):
    """Notice sink: its messages are notices, not events.

    Apprise's own log lines may repeat parts of the URL, and so a password: only a status is taken from them.

    Raises:
        ConfigError: Apprise knows no such URL; the message does not repeat it.
    """

    settings = NoticeConfig

    def __init__(self, config: NoticeConfig) -> None:
        self.name = config.sink
        _own_log.propagate = False
        _own_log.addHandler(logging.NullHandler())
        service = Apprise.instantiate(config.url.get_secret_value(), asset=AppriseAsset(app_id="avadclip"))
        if service is None:
            raise ConfigError(
                f"notice.url of {config.name} is no URL that Apprise knows; "
                "needed one as on https://appriseit.com, such as ntfy://TOPIC"
            )
        self._apprise = Apprise()
        self._apprise.add(service)
        self._service_name = str(service.service_name)

    def deliver(self, message: Waiting, stopping: threading.Event) -> bool:  # noqa: ARG002  it never blocks for long
        """Send one notice, with the picture as it is by now."""
        notice = Notice.model_validate_json(message.body)
        picture = notice.event.picture
        has_picture = picture is not None and Path(picture).is_file()
        result = self._apprise.notify(title=notice.title, body=notice.text, attach=picture if has_picture else None)
        if not result:
            status = next((found[1] for entry in result.logs() if (found := _STATUS.search(entry.message))), None)
            reason = "did not take it, or cannot be reached" if status is None else f"responded with status {status}"
            raise DeliveryError(f"{self._service_name} {reason}")
        return True
