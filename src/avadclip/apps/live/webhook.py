"""Events to a web address, by the Standard Webhooks scheme (standardwebhooks.com, version 1)."""

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

TIMEOUT_SECONDS = 15.0  # the scheme asks for 15 to 30


class Webhook:
    """See delivery.Deliverer. Any answer but 2xx is a failure; redirects are not followed."""

    name = "webhook"

    def __init__(self, config: WebhookConfig) -> None:
        self._config = config
        self._opener = urllib.request.build_opener(_NoRedirects)

    def deliver(self, message: Waiting, stopping: threading.Event) -> bool:  # noqa: ARG002  it never waits for long
        """Post one message."""
        body = message.body.encode()
        request = urllib.request.Request(
            self._config.url,
            data=body,
            headers={
                "Content-Type": "application/json",
                "User-Agent": f"avadclip/{__version__}",
                **signed_headers(self._config.key, message.id, round(time.time()), body),
            },
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                answer.read(1024)
        except urllib.error.HTTPError as error:
            error.close()
            raise DeliveryError(f"the receiver answered {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryError(f"the receiver cannot be reached ({error})") from error
        return True


def signed_headers(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """`webhook-id` is the same in every attempt; the signature covers id, time of this attempt, and body."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect could lead anywhere, also into the network behind the firewall."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None: the 3xx answer is the answer."""
