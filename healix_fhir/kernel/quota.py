"""What is left of a limit, told in headers to who is held by it.

Spec: draft-ietf-httpapi-ratelimit-headers-11 3, 4, 6 (Structured Fields, RFC 9651); RFC 9110 10.2.3
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """The limit `name`: `quota` requests within `window` seconds, of which `left` remain in the next `seconds`."""

    name: str
    quota: int
    window: int
    left: int
    seconds: int


def rate_limit(quotas: Sequence[Quota]) -> dict[str, str]:
    """The headers about limits; none where nothing is limited."""
    if not quotas:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{one.name}";q={one.quota};w={one.window}' for one in quotas),
        "RateLimit": ", ".join(f'"{one.name}";r={one.left};t={one.seconds}' for one in quotas),
    }


def waiting(retry_after: int | None, quotas: Sequence[Quota]) -> dict[str, str]:
    """The headers of a refusal that tells when to come back."""
    told = rate_limit(quotas)
    return told if retry_after is None else {"Retry-After": str(retry_after), **told}
