"""The apps that a person has let in, and taking that back.

Spec: SMART App Launch 2.2 conformance.html (management_endpoint); RFC 7009
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Statement, Work
from smart_auth.oauth.tokens import revoke_access

OPENS = """g.ended IS NULL
  AND (g.redeemed IS NULL AND g.code_expires > now()
       OR EXISTS (SELECT FROM access_token t WHERE t.grant_id = g.id AND NOT t.revoked AND t.expires > now())
       OR EXISTS (SELECT FROM refresh_token r WHERE r.grant_id = g.id AND r.used IS NULL AND r.expires > now()))"""
"""The condition that grant `g` still opens something."""

LET_IN = f"""SELECT g.client, g.context::json->>'scope', g.context::json->>'patient', g.created,
  greatest(g.created, (SELECT max(t.created) FROM access_token t WHERE t.grant_id = g.id),
           (SELECT max(r.used) FROM refresh_token r WHERE r.grant_id = g.id))
FROM app_grant g
WHERE g.username = %s AND {OPENS}"""
"""The grants that still open something, with when they last did."""

REMEMBERED = "SELECT client, granted, NULL, given, NULL FROM consent WHERE username = %s"
"""The decisions that let an app in again without asking."""


@dataclass(frozen=True, slots=True)
class LetIn:
    """An app with access. `patients` are the logical ids of the records it has, `used` when it last got a token."""

    client: str
    name: str
    scopes: tuple[str, ...]
    patients: frozenset[str]
    since: datetime
    used: datetime | None
    vouched: bool


def let_in(username: str) -> Work[list[LetIn]]:
    """The apps that an account has let in, by name."""
    rows = yield Statement(f"{LET_IN} UNION ALL {REMEMBERED}", (username, username))
    clients = sorted({row[0] for row in rows})
    known = yield Statement("SELECT id, name, vouched FROM client WHERE id = ANY(%s)", (clients,))
    facts: dict[str, tuple[str, bool]] = {id_: (name, vouched) for id_, name, vouched in known}
    apps = [_one(client, facts.get(client, (client, True)), [r for r in rows if r[0] == client]) for client in clients]
    return sorted(apps, key=lambda app: (app.name.casefold(), app.client))


def shut_out(username: str, client: str, origin: Origin) -> Work[bool]:
    """Take back all that an account has granted an app: its tokens and what is remembered; False when there is none.

    The grants are locked first, as by every exchange: what a refresh in progress makes is ended too.
    """
    ended = yield Statement(
        """WITH open AS (SELECT id FROM app_grant WHERE username = %s AND client = %s AND ended IS NULL
                         ORDER BY id FOR UPDATE)
           UPDATE app_grant g SET ended = now() FROM open WHERE g.id = open.id RETURNING g.id""",
        (username, client),
    )
    yield revoke_access([row[0] for row in ended])
    forgotten = yield Statement(
        """WITH waiting AS (DELETE FROM authorization_request WHERE username = %(username)s
                              AND convert_from(asked, 'UTF8')::json->>'client' = %(client)s)
           DELETE FROM consent WHERE username = %(username)s AND client = %(client)s RETURNING 1""",
        {"username": username, "client": client},
    )
    if not ended and not forgotten:
        return False
    who = Origin(client, username, origin.address, origin.request)
    yield record([AuditRow(who, "D", "authorize", query="the person took it back")])
    return True


def _one(client: str, facts: tuple[str, bool], rows: Sequence[Row]) -> LetIn:
    scopes = dict.fromkeys(word for row in rows for word in row[1].split())
    name, vouched = facts
    times = [row[4] for row in rows if row[4] is not None]
    return LetIn(
        client,
        name,
        tuple(scopes),
        frozenset(row[2] for row in rows if row[2] is not None),
        min(row[3] for row in rows),
        max(times) if times else None,
        vouched,
    )
