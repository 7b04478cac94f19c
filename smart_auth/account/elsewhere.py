"""Where a person is signed in, and signing out elsewhere.

Spec: OWASP ASVS 5.0 7.5.2
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth.oauth.sessions import IDLE, LONGEST
from smart_auth.oauth.tokens import end_online
from smart_auth.store import digest

WORD = "session"
MARK = 16


@dataclass(frozen=True, slots=True)
class Browser:
    """A signed-in browser. `mark` names it, and opens nothing; `address` and `agent` are those of its last request."""

    mark: str
    since: datetime
    used: datetime
    address: str | None
    agent: str | None
    here: bool


def browsers(username: str, secret: str) -> Work[list[Browser]]:
    """Where a person is signed in, this browser first, then the last used."""
    rows = yield Statement(
        """SELECT left(encode(hash, 'hex'), %s), created, used, address, agent, hash = %s AS here FROM session
           WHERE username = %s AND used > now() - make_interval(secs => %s)
             AND created > now() - make_interval(secs => %s)
           ORDER BY here DESC, used DESC""",
        (MARK, digest(secret), username, IDLE, LONGEST),
    )
    return [Browser(*row) for row in rows]


def sign_out(username: str, secret: str, mark: str | None, origin: Origin) -> Work[int]:
    """End the session with this mark, or (None) all but that of `secret`; how many ended.

    What apps have for as long as such a session lasts ends with it.
    """
    condition, value = (
        ("left(encode(hash, 'hex'), %s) = %s", (MARK, mark)) if mark else ("hash <> %s", (digest(secret),))
    )
    rows = yield Statement(
        f"DELETE FROM session WHERE username = %s AND {condition} RETURNING hash", (username, *value)
    )
    if not rows:
        return 0
    yield from end_online(username, [row[0] for row in rows])
    yield record([AuditRow(origin, "D", WORD) for _ in rows])
    return len(rows)
