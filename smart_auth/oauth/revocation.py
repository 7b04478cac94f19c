"""Tokens that their client gives back.

A refresh token ends its grant with all tokens of it; an access token ends alone. A token that is unknown, or another
client's, is answered like one that was revoked.

Spec: RFC 7009 2
"""

from __future__ import annotations

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth.oauth.tokens import end_grant
from smart_auth.store import digest, revoke


def holder(token: str) -> Work[str | None]:
    """The client_id that a token of either kind was given to."""
    rows = yield Statement(
        """SELECT g.client FROM refresh_token t JOIN app_grant g ON g.id = t.grant_id WHERE t.hash = %(hash)s
           UNION ALL SELECT client FROM access_token WHERE hash = %(hash)s""",
        {"hash": digest(token)},
    )
    return str(rows[0][0]) if rows else None


def give_back(client: str, token: str, origin: Origin) -> Work[None]:
    """Revoke `token` if it is the client's."""
    rows = yield Statement(
        """SELECT g.id, g.username FROM refresh_token t JOIN app_grant g ON g.id = t.grant_id
           WHERE t.hash = %s AND g.client = %s""",
        (digest(token), client),
    )
    for grant_id, username in rows:
        if (yield from end_grant(grant_id)):
            asked = Origin(client, username, origin.address, origin.request)
            yield record([AuditRow(asked, "D", "token", query="the grant has ended")])
    if rows:
        return
    known = yield Statement(
        "SELECT username FROM access_token WHERE hash = %s AND client = %s", (digest(token), client)
    )
    for (username,) in known:
        yield from revoke(token, origin=Origin(client, username, origin.address, origin.request))
