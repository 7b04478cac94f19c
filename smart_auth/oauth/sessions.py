"""Signed-in browsers: a random secret in a cookie, its hash in the database, an end after idleness and in any case."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass

from healix_fhir.kernel import ids
from healix_fhir.kernel.database import Statement, Work
from smart_auth.oauth.factors.methods import PASSWORD
from smart_auth.store import Account, digest

IDLE = 3600
LONGEST = 12 * 3600


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser. `csrf` is the value that each of its forms must carry; `since` is when the person signed in,
    in seconds since 1970, and `methods` are how (values of `amr`). `subject` is the person's `sub`,
    `language` the one that they chose for themselves.
    """

    account: Account
    csrf: str
    since: float
    methods: tuple[str, ...]
    subject: str
    language: str | None = None


def open_session(username: str, methods: Collection[str] = (PASSWORD,)) -> Work[str]:
    """Begin a session of a person who signed in by `methods`; returns the secret for the cookie."""
    secret = ids.secret()
    yield Statement(
        "INSERT INTO session (hash, username, methods) VALUES (%s, %s, %s)", (digest(secret), username, list(methods))
    )
    return secret


@dataclass(frozen=True, slots=True)
class Seen:
    """The browser that a cookie came with: its network address and its User-Agent."""

    address: str | None = None
    agent: str | None = None


def find_session(secret: str, seen: Seen = Seen()) -> Work[Session | None]:
    """The living session of a cookie, which its use prolongs."""
    rows = yield Statement(
        """UPDATE session s SET used = now(), address = coalesce(%s, address), agent = coalesce(%s, agent)
           FROM account a
           WHERE s.hash = %s AND a.username = s.username AND NOT a.disabled
             AND s.used > now() - make_interval(secs => %s) AND s.created > now() - make_interval(secs => %s)
           RETURNING a.username, a.role, a.fhir_user, extract(epoch FROM s.created)::float8, s.methods,
             a.subject, a.language""",
        (seen.address, seen.agent, digest(secret), IDLE, LONGEST),
    )
    if not rows:
        return None
    *account, since, methods, subject, language = rows[0]
    return Session(Account(*account), csrf_of(secret), since, tuple(methods), subject, language)


def signed_in(secret: str) -> Work[str | None]:
    """Whose the living session of a cookie is; asking does not prolong it."""
    rows = yield Statement(
        """SELECT s.username FROM session s JOIN account a USING (username)
           WHERE s.hash = %s AND NOT a.disabled
             AND s.used > now() - make_interval(secs => %s) AND s.created > now() - make_interval(secs => %s)""",
        (digest(secret), IDLE, LONGEST),
    )
    return str(rows[0][0]) if rows else None


def close_session(secret: str) -> Work[str | None]:
    """End a session at once; whose it was."""
    rows = yield Statement("DELETE FROM session WHERE hash = %s RETURNING username", (digest(secret),))
    return str(rows[0][0]) if rows else None


def take_over(earlier: str, secret: str, username: str) -> Work[str | None]:
    """Let the session of `secret` follow on the browser's `earlier` one, which ends; whose that was.

    Where the same person signed in again, apps with online access keep it: their grants go over.
    """
    old, new = digest(earlier), digest(secret)
    yield Statement("UPDATE app_grant SET session = %s WHERE session = %s AND username = %s", (new, old, username))
    return (yield from close_session(earlier))


def renew(secret: str) -> Work[str]:
    """Let a session go on under a new secret, which is returned, with what apps have for as long as it lasts."""
    fresh = ids.secret()
    old, new = digest(secret), digest(fresh)
    yield Statement("UPDATE session SET hash = %s WHERE hash = %s", (new, old))
    yield Statement("UPDATE app_grant SET session = %s WHERE session = %s", (new, old))
    return fresh


def strengthen(secret: str, methods: Collection[str]) -> Work[None]:
    """Note that the person of a session has shown more."""
    yield Statement(
        """UPDATE session SET methods = methods || ARRAY(SELECT m FROM unnest(%s::text[]) AS m WHERE m <> ALL (methods))
           WHERE hash = %s""",
        (list(methods), digest(secret)),
    )


def csrf_of(secret: str) -> str:
    """The CSRF value that belongs to a cookie's secret; it tells nothing of the secret."""
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()


def csrf_matches(secret: str, value: str) -> bool:
    """Whether a form's value belongs to the cookie's secret."""
    return hmac.compare_digest(csrf_of(secret).encode(), value.encode())
