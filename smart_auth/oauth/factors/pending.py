"""Logins that wait for their second step: a password was right, and nothing is open yet.

It is no session: a secret of its own in a cookie of its own, which opens the second step only, for `LIFE` seconds and
once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from healix_fhir.kernel import ids
from healix_fhir.kernel.database import Statement, Work
from smart_auth.store import Account, digest

LIFE = 10 * 60
OVER = "The sign-in took too long. Please begin again."


@dataclass(frozen=True, slots=True)
class Goal:
    """Where a person goes on after the login: with the app's request of this name, or to the page `after`."""

    request: str = ""
    after: str = ""


NOWHERE = Goal()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A login that waits: whose, by which methods so far."""

    account: Account
    methods: tuple[str, ...]
    goal: Goal


def begin(username: str, methods: Collection[str], goal: Goal) -> Work[str]:
    """Let a login wait; returns the secret for the cookie."""
    secret = ids.secret()
    yield Statement(
        "INSERT INTO pending_login (hash, username, methods, request, after) VALUES (%s, %s, %s, %s, %s)",
        (digest(secret), username, list(methods), goal.request, goal.after),
    )
    return secret


def find_waiting(secret: str) -> Work[Waiting | None]:
    """The login that a cookie stands for, while it waits."""
    rows = yield Statement(
        """SELECT a.username, a.role, a.fhir_user, p.methods, p.request, p.after
           FROM pending_login p JOIN account a USING (username)
           WHERE p.hash = %s AND NOT a.disabled AND p.created > now() - make_interval(secs => %s)""",
        (digest(secret), LIFE),
    )
    if not rows:
        return None
    username, role, fhir_user, methods, request, after = rows[0]
    return Waiting(Account(username, role, fhir_user), tuple(methods), Goal(request, after))


def finish(secret: str) -> Work[bool]:
    """End the waiting; False when it has ended already."""
    rows = yield Statement(
        """DELETE FROM pending_login WHERE hash = %s AND created > now() - make_interval(secs => %s) RETURNING 1""",
        (digest(secret), LIFE),
    )
    return bool(rows)
