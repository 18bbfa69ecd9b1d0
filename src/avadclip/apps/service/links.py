"""Signed keys of result pages, which need no token: a browser's <video> cannot send one."""

import hashlib
import hmac
import re
import secrets
import time

HOURS = 12
CAMERAS = "cameras"
"""What a key is for that opens the pictures and recordings of all cameras, in place of a job."""
_KEY = re.compile(rf"([0-9a-f]{{32}}|{CAMERAS})\.([0-9]{{1,12}})\.([0-9a-f]{{64}})")


class LinkSigner:
    """Signer of links that are valid for some hours. A restart of the service changes the secret and ends all links."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._clock_offset = time.time() - time.monotonic()  # fixed: a clock that is set does not change a link's hours

    def key(self, job_id: str) -> tuple[str, float]:
        """Create a key for one job's result, or CAMERAS; return it and its expiry time."""
        expires_at = int(self._now()) + HOURS * 3600
        return f"{job_id}.{expires_at}.{self._sign(job_id, expires_at)}", float(expires_at)

    def opens(self, key: str) -> str | None:
        """The job, or CAMERAS, that a key opens; None for an invalid or expired key."""
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        job_id, expires_at, signature = match[1], int(match[2]), match[3]
        is_ours = hmac.compare_digest(signature, self._sign(job_id, expires_at))
        return job_id if is_ours and self._now() < expires_at else None

    def _now(self) -> float:
        return time.monotonic() + self._clock_offset

    def _sign(self, job_id: str, expires_at: int) -> str:
        return hmac.new(self._secret, f"{job_id}.{expires_at}".encode(), hashlib.sha256).hexdigest()


def job_named_by(key: str) -> str | None:
    """The job that a key names, without checking its signature."""
    match = _KEY.fullmatch(key)
    return None if match is None else match[1]


def without_keys(text: str) -> str:
    """The text with every key replaced by `KEY`."""
    return _KEY.sub("KEY", text)
