"""Webhook sink of events, by the Standard Webhooks specification (standardwebhooks.com, version 1)."""

import base64
import hashlib
import hmac
import http.client
import threading
import time
import urllib.error
import urllib.request
from typing import Any

from avadclip import __version__
from avadclip.apps.live.config import WebhookConfig
from avadclip.apps.live.delivery import DeliveryError
from avadclip.apps.live.ledger import Waiting

TIMEOUT_SECONDS = 15.0  # the specification recommends 15 to 30


class Webhook:
    """Webhook sink, see delivery.Deliverer. Any status but 2xx is a failure; redirects are not followed."""

    name = "webhook"

    def __init__(self, config: WebhookConfig) -> None:
        self._config = config
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
                **_signed_headers(self._config.key, message.id, round(time.time()), body),
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


def _signed_headers(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Headers with the signature of id, attempt time and body; `webhook-id` is the same in every attempt."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Handler that refuses redirects, which could lead into the network behind the firewall."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Return None, so that the 3xx response is final."""
