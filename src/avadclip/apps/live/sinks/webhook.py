"""Webhook sink of events, by the Standard Webhooks specification (standardwebhooks.com, version 1)."""

import http.client
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook as Signer

from avadclip import __version__
from avadclip.apps.live.config import WebhookConfig
from avadclip.apps.live.delivery import DeliveryError, Sink
from avadclip.apps.live.ledger import Waiting

TIMEOUT_SECONDS = 15.0  # the specification recommends 15 to 30


class Webhook(Sink):
    """Webhook sink. Any status but 2xx is a failure; redirects are not followed."""

    name = "webhook"
    settings = WebhookConfig

    def __init__(self, config: WebhookConfig) -> None:
        self._config = config
        self._signer = Signer(config.secret.get_secret_value())
        self._opener = urllib.request.build_opener(_NoRedirects)

    def deliver(self, message: Waiting, stopping: threading.Event) -> bool:  # noqa: ARG002  it never blocks for long
        """Post one message."""
        body = message.body.encode()
        request = urllib.request.Request(
            str(self._config.url),
            data=body,
            headers={
                "Content-Type": "application/json",
                "User-Agent": f"avadclip/{__version__}",
                **self._signed_headers(message),
            },
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                answer.read(1024)
        except urllib.error.HTTPError as error:
            error.close()
            raise DeliveryError(f"the receiver responded with status {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryError(f"the receiver cannot be reached ({error})") from error
        return True

    def _signed_headers(self, message: Waiting) -> dict[str, str]:
        """Headers with the signature of id, attempt time and body; `webhook-id` is the same in every attempt."""
        now = datetime.now(UTC)
        signature = self._signer.sign(message.id, now, message.body)
        return {
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Handler that refuses redirects, which could lead into the network behind the firewall."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Return None, so that the 3xx response is final."""
