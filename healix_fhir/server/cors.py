"""Browsers of other origins: registered apps may call the APIs, with a token and never with cookies; discovery is for
all.

Spec: Fetch Standard, fetch.spec.whatwg.org/#http-cors-protocol; SMART App Launch 2.2, considerations for CORS
"""

from __future__ import annotations

OPEN = ("/fhir", "/dicomweb", "/subscriptions/", "/.well-known/", "/oauth/", "/openapi.json")
PAGES = ("/oauth/authorize", "/oauth/logout")
"""Paths that other origins may read, but for those that people see. Pages with sessions are none of them."""

PUBLIC = (
    "/.well-known/",
    "/fhir/.well-known/",
    "/fhir/metadata",
    "/dicomweb/capabilities",
    "/oauth/style.json",
    "/openapi.json",
)
"""Paths that every origin may read: what is there is for everyone."""

METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
HEADERS = (
    b"Authorization, Content-Type, Content-Encoding, Accept, Cache-Control, Prefer, If-Match, If-None-Match,"
    b" If-Modified-Since, If-None-Exist, If-Range, Range, X-Request-Id, X-Security-Context, Last-Event-ID"
)
EXPOSED = (
    b"ETag, Location, Content-Location, Content-Disposition, Last-Modified, Content-Range, Accept-Ranges, Retry-After,"
    b" Warning, WWW-Authenticate, X-Request-Id, X-Correlation-Id, Allow, X-Security-Context"
)
MAX_AGE = b"7200"
"""Seconds that a browser may remember a preflight: without it a viewer sends one for each frame."""

ANSWERED = ((b"access-control-expose-headers", EXPOSED),)
PREFLIGHT = (
    (b"access-control-allow-methods", METHODS),
    (b"access-control-allow-headers", HEADERS),
    (b"access-control-max-age", MAX_AGE),
)
VARIES = (b"vary", b"Origin")
ANYONE = b"*"


def is_open(path: str) -> bool:
    """Whether other origins may read what is at `path`."""
    return path.startswith(OPEN) and not path.startswith(PAGES)


def is_public(path: str) -> bool:
    """Whether every origin may."""
    return path.startswith(PUBLIC)
