"""grant_type=client_credentials: a backend service acts in its own name.

Spec: SMART App Launch 2.2 backend-services.html; RFC 6749 4.4
"""

from __future__ import annotations

from collections.abc import Mapping

from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth.oauth.clients import CREDENTIALS, Client
from smart_auth.oauth.narrowing import check_scope, narrowed
from smart_auth.oauth.refusal import OAuthError, Reason
from smart_auth.oauth.tokens import SERVICE_LIFE, TokenAnswer
from smart_auth.queries import Conditions
from smart_auth.store import digest

WIDEST = "system/*.cruds"


def credentials(client: Client, form: Mapping[str, str], origin: Origin, conditions: Conditions) -> Work[TokenAnswer]:
    """An access token for the part of the asked `system/` scopes that the client is registered for."""
    if CREDENTIALS not in client.grants or client.auth != "private_key_jwt":
        raise OAuthError(Reason.UNAUTHORIZED_CLIENT, f"this client is not registered for {CREDENTIALS}")
    asked = form.get("scope", "")
    if not asked.strip():
        raise OAuthError(Reason.INVALID_SCOPE, "scope is missing")
    scope = narrowed(narrowed(asked, client.scope), WIDEST)
    if not scope:
        raise OAuthError(Reason.INVALID_SCOPE, "the client is not registered for any of this scope")
    check_scope(scope, conditions)
    token = ids.secret()
    yield Statement(
        """INSERT INTO access_token (hash, client, scope, expires)
           VALUES (%s, %s, %s, now() + make_interval(secs => %s))""",
        (digest(token), client.id, scope, SERVICE_LIFE),
    )
    who = Origin(client.id, None, origin.address, origin.request)
    yield record([AuditRow(who, "C", "token", query=scope)])
    return TokenAnswer(token, SERVICE_LIFE, scope)
