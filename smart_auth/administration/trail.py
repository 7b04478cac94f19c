"""What the audit trail tells of one account or app: who came in, what was let in, changed and refused.

Administrators see these events here and nothing of records: no access to data, no patient, no query of a search.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from healix_fhir.kernel.audit import ACCESS_WORDS
from healix_fhir.kernel.database import Statement, Work

NEWEST = 30
LOOKED_AT = 50_000
"""Of the newest events of these kinds, so many are looked at: an account that is seldom used has less to show."""

ADMINISTRATION = ("account", "client", "factor", "password", "mail-address", "invitation", "registration")
"""Kinds whose details name no patient."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `what` is the word of the trail, `details` what administrators may read of it."""

    recorded: datetime
    what: str
    action: str
    refused: bool
    client: str | None
    account: str | None
    address: str | None
    details: str | None


def about_account(username: str) -> Work[list[Event]]:
    """The newest events of an account and by it, the newest first."""
    return (yield from _events("(e.account = %(name)s OR e.entity = 'account/' || %(name)s)", username))


def about_client(id_: str) -> Work[list[Event]]:
    """The newest events of an app and by it, the newest first."""
    return (yield from _events("(e.client = %(name)s OR e.entity = 'client/' || %(name)s)", id_))


def _events(condition: str, name: str) -> Work[list[Event]]:
    rows = yield Statement(
        f"""SELECT recorded, subtype, action, outcome > 0, client, account, address,
                   CASE WHEN subtype = ANY(%(details)s) THEN query END
            FROM (SELECT * FROM audit_event WHERE {_WORDS} ORDER BY seq DESC LIMIT %(looked)s) e
            WHERE {condition} ORDER BY seq DESC LIMIT %(newest)s""",
        {"details": list(ADMINISTRATION), "looked": LOOKED_AT, "name": name, "newest": NEWEST},
    )
    return [Event(*row) for row in rows]


_WORDS = f"subtype IN ({', '.join(repr(word) for word in ACCESS_WORDS)})"
"""In the words of the index."""
