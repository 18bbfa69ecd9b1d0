"""Security headers, which every response has."""

from collections.abc import Iterable

PRIVATE = {"Cache-Control": "private, no-cache"}
"""Of pictures and videos: kept by the viewer's browser alone, and asked for again."""
RawHeaders = list[tuple[bytes, bytes]]

SANDBOX_POLICY = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox"
)
"""Of every response that has no other: opened as a document, it runs no script and belongs to no site."""
PAGE_POLICY = "default-src 'self'; base-uri 'none'; frame-ancestors 'none'"
DOCS_POLICY = f"{PAGE_POLICY}; img-src 'self' data:; style-src 'self' 'unsafe-inline'"  # Swagger UI's own styles

_EVERYWHERE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
_CSP = b"content-security-policy"


def with_security_headers(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """The headers of a response, and the security headers that it does not set itself."""
    given = list(headers)
    names = {name.lower() for name, _ in given}
    # Browsers refuse a sandboxed document that has an opener policy too.
    own = (b"cross-origin-opener-policy", b"same-origin") if _CSP in names else (_CSP, SANDBOX_POLICY.encode())
    return [*given, *((name, value) for name, value in (*_EVERYWHERE, own) if name not in names)]
