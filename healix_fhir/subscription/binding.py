"""Tokens by which a web socket binds itself to subscriptions.

A binding token stands for the access token that asked for it, for a short time: whoever binds with it sees what that
token sees, for as long as that is good.

Spec: hl7.fhir.uv.subscriptions-backport 1.1.0, channels.html#websockets
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from healix_fhir.kernel import clock, ids
from healix_fhir.kernel.database import Statement, Work
from smart_auth.store import digest

LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a binding token opens: subscriptions, with the access of the token whose hash this is."""

    subscriptions: tuple[str, ...]
    token: bytes


def bind(subscriptions: Sequence[str], token: bytes) -> Work[tuple[str, datetime]]:
    """A new binding token for the bearer of the access token with this hash, and until when it is good."""
    secret, expires = ids.secret(), clock.now() + LIFE
    yield Statement(
        "INSERT INTO subscription_binding (hash, subscriptions, token, expires) VALUES (%s, %s, %s, %s)",
        (digest(secret), list(subscriptions), token, expires),
    )
    return secret, expires


def bound(secret: str) -> Work[Bound | None]:
    """What a binding token opens; None for one that is not good, or no more."""
    rows = yield Statement(
        "SELECT subscriptions, token FROM subscription_binding WHERE hash = %s AND expires > now()", (digest(secret),)
    )
    return Bound(tuple(rows[0][0]), bytes(rows[0][1])) if rows else None
