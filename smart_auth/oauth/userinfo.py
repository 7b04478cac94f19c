"""What the userinfo endpoint tells an app of the person who let it in.

Spec: OpenID Connect Core 1.0 5.3, 5.4; SMART App Launch 2.2
scopes-and-launch-context.html#scopes-for-requesting-identity-data
"""

from __future__ import annotations

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth.oauth.identity import Holder, Identity
from smart_auth.oauth.refusal import OAuthError, Reason
from smart_auth.store import digest

WHOSE = """SELECT t.client, t.scope, a.username, a.subject, a.fhir_user
           FROM access_token t JOIN account a USING (username)
           WHERE t.hash = %s AND NOT t.revoked AND t.expires > now() AND NOT a.disabled"""


def userinfo(token: str, identity: Identity, origin: Origin) -> Work[dict[str, str]]:
    """The claims about the person of a token. Raises OAuthError where it has none, or not the scope `openid`."""
    rows = yield Statement(WHOSE, (digest(token),))
    if not rows:
        raise OAuthError(Reason.INVALID_TOKEN, "the access token is not valid, or no person's")
    client, scope, username, subject, fhir_user = rows[0]
    words = scope.split()
    if "openid" not in words:
        raise OAuthError(Reason.INSUFFICIENT_SCOPE, "userinfo needs a token with the scope openid")
    yield record([AuditRow(Origin(client, username, origin.address, origin.request), "R", "userinfo")])
    told = {"sub": subject} | identity.who(Holder(subject, fhir_user), words)
    return told | {"preferred_username": username} if "profile" in words else told
