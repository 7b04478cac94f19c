"""The secret links by which calendar programs read somebody's appointments: one for each account.

Their owners make them and take them back. Only hashes are stored.
"""

from __future__ import annotations

import hashlib
import secrets

from healix_fhir.kernel.database import Statement, Work

BYTES = 32


def made(username: str) -> Work[str]:
    """A fresh link's secret; the one before is good no more."""
    secret = secrets.token_urlsafe(BYTES)
    yield Statement(
        """INSERT INTO calendar_link (username, secret) VALUES (%s, %s)
           ON CONFLICT (username) DO UPDATE SET secret = excluded.secret, created = now()""",
        (username, _hash(secret)),
    )
    return secret


def revoked(username: str) -> Statement:
    """Take the link of an account back."""
    return Statement("DELETE FROM calendar_link WHERE username = %s", (username,))


def has(username: str) -> Work[bool]:
    """Whether an account has a link."""
    rows = yield Statement("SELECT 1 FROM calendar_link WHERE username = %s", (username,))
    return bool(rows)


def owner(secret: str) -> Work[tuple[str, str, str | None] | None]:
    """Username, role and FHIR user of the account that a link is of, while it is open."""
    rows = yield Statement(
        """SELECT a.username, a.role, a.fhir_user FROM calendar_link c JOIN account a ON a.username = c.username
           WHERE c.secret = %s AND NOT a.disabled""",
        (_hash(secret),),
    )
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
