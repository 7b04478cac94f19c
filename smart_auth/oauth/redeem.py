"""grant_type=authorization_code: a code becomes tokens, once.

A second use of a code means that it has leaked: it ends the grant and revokes what the code gave.

Spec: RFC 6749 4.1.3, 10.5; RFC 7636 4.6; RFC 9700 2.1.1, 4.5; SMART App Launch 2.2 app-launch.html
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

import msgspec

from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth.oauth.clients import CODE, REFRESH, Client
from smart_auth.oauth.grant import Grant
from smart_auth.oauth.identity import Holder, Identity
from smart_auth.oauth.pkce import proves
from smart_auth.oauth.refusal import OAuthError, Reason
from smart_auth.oauth.tokens import (
    ACCESS_LIFE,
    ALIVE,
    TokenAnswer,
    end_grant,
    in_context,
    keep_access,
    keep_refresh,
    may_refresh,
)
from smart_auth.store import digest

REDEEM = f"""UPDATE app_grant g SET redeemed = now() FROM account a
             WHERE g.code_hash = %s AND g.client = %s AND g.redeemed IS NULL AND g.code_expires > now()
               AND a.username = g.username AND {ALIVE}
             RETURNING g.id, g.context, a.subject, a.fhir_user"""
"""The one statement that decides who redeems a code; of those that come at once, the others find it redeemed."""


def redeem(
    client: Client, form: Mapping[str, str], identity: Identity, origin: Origin
) -> Work[TokenAnswer | OAuthError]:
    """Exchange `code`. A refusal that ends a grant is returned, so that it is kept; others are raised."""
    if CODE not in client.grants:
        raise OAuthError(Reason.UNAUTHORIZED_CLIENT, f"this client is not registered for {CODE}")
    code, redirect_uri, verifier = (_required(form, name) for name in ("code", "redirect_uri", "code_verifier"))
    rows = yield Statement(REDEEM, (digest(code), client.id))
    if not rows:
        return (yield from _too_late(client, code, origin))
    grant_id, context, *holder = rows[0]
    grant = msgspec.json.decode(context, type=Grant)
    if not hmac.compare_digest(redirect_uri.encode(), grant.redirect_uri.encode()):
        raise OAuthError(Reason.INVALID_GRANT, "the redirect_uri is not the one that the code was sent to")
    if not proves(verifier, grant.code_challenge):
        raise OAuthError(Reason.INVALID_GRANT, "the code_verifier is not the one that the code was asked with")
    access = ids.secret()
    yield from keep_access(access, grant_id, grant, grant.scope)
    refresh = None
    if REFRESH in client.grants and may_refresh(grant.scope):
        refresh = ids.secret()
        yield keep_refresh(refresh, grant_id, 1, grant.scope)
    asked = Origin(client.id, grant.username, origin.address, origin.request)
    yield record([AuditRow(asked, "C", "token", patient=grant.patient, query=grant.scope)])
    id_token = yield from identity.token(grant, grant.scope, Holder(*holder), access)
    return in_context(grant, grant.scope, access, ACCESS_LIFE, refresh=refresh, id_token=id_token)


def _too_late(client: Client, code: str, origin: Origin) -> Work[OAuthError]:
    """Why a code is not good any more; one that was redeemed before takes all with it that it gave."""
    refused = OAuthError(Reason.INVALID_GRANT, "the code is unknown, expired or used")
    rows = yield Statement(
        """SELECT id, username FROM app_grant
           WHERE code_hash = %s AND client = %s AND redeemed IS NOT NULL AND ended IS NULL""",
        (digest(code), client.id),
    )
    for grant_id, username in rows:
        yield from end_grant(grant_id)
        asked = Origin(client.id, username, origin.address, origin.request)
        yield record([AuditRow(asked, "D", "token", 4, query="a code was used twice; what it gave is revoked")])
    return refused


def _required(form: Mapping[str, str], name: str) -> str:
    value = form.get(name, "")
    if not value:
        raise OAuthError(Reason.INVALID_REQUEST, f"{name} is missing")
    return value
