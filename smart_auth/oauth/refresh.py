"""grant_type=refresh_token: each refresh token is exchanged for the next of its family, once.

The exchange is one conditional UPDATE. A client whose answer got lost may ask again within `GRACE` seconds, as long as
the next token is unused, and gets the same answer again; any other second use means that a copy is about, and ends the
grant: the tokens of the thief and of the owner. With `openid` a new id token comes along.

Spec: RFC 6749 6, 10.4; OpenID Connect Core 1.0 12; RFC 9700 4.14.2;
SMART App Launch 2.2 app-launch.html#refresh-access-token
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Statement, Work
from smart_auth.oauth.clients import REFRESH, Client
from smart_auth.oauth.grant import Grant
from smart_auth.oauth.identity import Holder, Identity
from smart_auth.oauth.narrowing import check_scope, narrowed
from smart_auth.oauth.refusal import OAuthError, Reason
from smart_auth.oauth.tokens import (
    ACCESS_LIFE,
    ALIVE,
    TokenAnswer,
    end_grant,
    in_context,
    keep_access,
    keep_refresh,
    successor,
)
from smart_auth.queries import Conditions
from smart_auth.store import digest

GRACE = 30
UNUSABLE = "the refresh token is unknown, expired, revoked or used"

ROTATE = f"""WITH held AS MATERIALIZED (
  SELECT g.id, g.context, a.subject, a.fhir_user
  FROM refresh_token t JOIN app_grant g ON g.id = t.grant_id JOIN account a USING (username)
  WHERE t.hash = %(hash)s AND g.client = %(client)s AND {ALIVE} FOR UPDATE OF g)
UPDATE refresh_token t SET used = now() FROM held
WHERE t.hash = %(hash)s AND t.used IS NULL AND t.expires > now() AND t.grant_id = held.id
RETURNING held.id, held.context, t.generation, t.scope, t.seed, held.subject, held.fhir_user"""
"""The grant is locked first, so that a revocation comes wholly before or wholly after."""

RETRIED = f"""SELECT g.context, t.seed, t.used > now() - interval '{GRACE} seconds'
  AND EXISTS (SELECT FROM refresh_token n
              WHERE n.grant_id = g.id AND n.generation = t.generation + 1 AND n.used IS NULL),
  g.id, g.username, a.subject, a.fhir_user
FROM refresh_token t JOIN app_grant g ON g.id = t.grant_id JOIN account a USING (username)
WHERE t.hash = %s AND g.client = %s AND t.used IS NOT NULL AND {ALIVE}"""


def owner(token: str) -> Work[str | None]:
    """The client_id that a refresh token was given to: public clients need not say it again."""
    rows = yield Statement(
        "SELECT g.client FROM refresh_token t JOIN app_grant g ON g.id = t.grant_id WHERE t.hash = %s",
        (digest(token),),
    )
    return rows[0][0] if rows else None


def refresh(
    client: Client, form: Mapping[str, str], identity: Identity, origin: Origin, conditions: Conditions
) -> Work[TokenAnswer | OAuthError]:
    """Exchange `refresh_token`. A refusal that ends a grant is returned, so that it is kept; others are raised."""
    if REFRESH not in client.grants:
        raise OAuthError(Reason.UNAUTHORIZED_CLIENT, f"this client is not registered for {REFRESH}")
    token = form.get("refresh_token", "")
    if not token:
        raise OAuthError(Reason.INVALID_REQUEST, "refresh_token is missing")
    rows = yield Statement(ROTATE, {"hash": digest(token), "client": client.id})
    if not rows:
        return (yield from _again(client, token, identity, origin))
    grant_id, context, generation, scope, seed, *holder = rows[0]
    grant = msgspec.json.decode(context, type=Grant)
    wanted = _narrower(form.get("scope", ""), scope)
    check_scope(wanted, conditions)
    access, following = (successor(token, bytes(seed), kind) for kind in (b"access", b"refresh"))
    yield from keep_access(access, grant_id, grant, wanted)
    yield keep_refresh(following, grant_id, generation + 1, scope)
    asked = Origin(client.id, grant.username, origin.address, origin.request)
    yield record([AuditRow(asked, "U", "token", patient=grant.patient, query=wanted)])
    id_token = yield from identity.token(grant, wanted, Holder(*holder), access, again=True)
    return in_context(grant, wanted, access, ACCESS_LIFE, refresh=following, id_token=id_token)


def _narrower(asked: str, granted: str) -> str:
    """The scope of the new access token: what was granted, or less. Spec: RFC 6749 6"""
    words = list(dict.fromkeys(asked.split()))
    if not words:
        return granted
    kept = narrowed(asked, granted)
    if kept.split() != words:
        raise OAuthError(Reason.INVALID_SCOPE, "the scope is wider than what was granted")
    return kept


def _again(client: Client, token: str, identity: Identity, origin: Origin) -> Work[TokenAnswer | OAuthError]:
    """A refresh token that is no longer good: a retry gets the answer again, a reuse ends the grant."""
    rows = yield Statement(RETRIED, (digest(token), client.id))
    if not rows:
        raise OAuthError(Reason.INVALID_GRANT, UNUSABLE)
    context, seed, retried, grant_id, username, *holder = rows[0]
    if not retried:
        yield from end_grant(grant_id)
        asked = Origin(client.id, username, origin.address, origin.request)
        yield record([AuditRow(asked, "D", "token", 4, query="a refresh token was used twice; the grant has ended")])
        return OAuthError(Reason.INVALID_GRANT, UNUSABLE)
    access, following = (successor(token, bytes(seed), kind) for kind in (b"access", b"refresh"))
    given: list[Row] = yield Statement(
        """SELECT scope, extract(epoch FROM expires - now())::int FROM access_token
           WHERE hash = %s AND NOT revoked AND expires > now()""",
        (digest(access),),
    )
    if not given:
        raise OAuthError(Reason.INVALID_GRANT, UNUSABLE)
    scope, seconds = given[0]
    grant = msgspec.json.decode(context, type=Grant)
    id_token = yield from identity.token(grant, scope, Holder(*holder), access, again=True)
    return in_context(grant, scope, access, seconds, refresh=following, id_token=id_token)
