"""What a token is worth at this moment, told to resource servers.

Of a research token, also of one that became so after it was given, that is what it still opens, and no patient.

Spec: RFC 7662 2; SMART App Launch 2.2 token-introspection.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth import research
from smart_auth.oauth.grant import Grant
from smart_auth.oauth.identity import Identity
from smart_auth.oauth.tokens import ALIVE, in_context
from smart_auth.store import digest

ACCESS = """SELECT t.scope, t.client, t.username, t.patient, g.context, a.subject, a.fhir_user,
                   extract(epoch FROM t.created)::bigint, extract(epoch FROM t.expires)::bigint,
                   coalesce(t.project, c.project) IS NOT NULL
            FROM access_token t LEFT JOIN account a USING (username) LEFT JOIN app_grant g ON g.id = t.grant_id
            LEFT JOIN client c ON c.id = t.client COLLATE "C"
            WHERE t.hash = %s AND NOT t.revoked AND t.expires > now() AND (t.username IS NULL OR NOT a.disabled)"""
REFRESH = f"""SELECT t.scope, g.client, g.username, NULL, g.context, a.subject, a.fhir_user,
                     extract(epoch FROM g.created)::bigint, extract(epoch FROM t.expires)::bigint,
                     c.project IS NOT NULL
              FROM refresh_token t JOIN app_grant g ON g.id = t.grant_id JOIN account a USING (username)
              LEFT JOIN client c ON c.id = g.client
              WHERE t.hash = %s AND t.used IS NULL AND t.expires > now() AND {ALIVE}"""
NOT_OF_INTROSPECTION = ("access_token", "expires_in", "token_type", "refresh_token", "id_token")


def introspect(token: str, identity: Identity, origin: Origin) -> Work[dict[str, Any]]:
    """The answer about `token`; of one that is not good it says nothing but that."""
    bearer = True
    rows = yield Statement(ACCESS, (digest(token),))
    if not rows:
        bearer = False
        rows = yield Statement(REFRESH, (digest(token),))
    patient = rows[0][3] if rows else None
    yield record([AuditRow(origin, "R", "introspect", patient=patient)])
    if not rows:
        return {"active": False}
    *told, of_research = rows[0]
    if of_research:
        scope, client, username, _, _, *rest = told
        told = [research.told(scope), client, username, None, None, *rest]
    return _described(told, identity, bearer=bearer)


def _described(row: Sequence[Any], identity: Identity, *, bearer: bool) -> dict[str, Any]:
    scope, client, username, patient, context, subject, fhir_user, issued, expires = row
    shown: dict[str, Any] = {
        "active": True,
        "scope": scope,
        "client_id": client,
        "iss": identity.issuer,
        "iat": issued,
        "exp": expires,
        "token_type": "Bearer" if bearer else "refresh_token",
    }
    if patient is not None:
        shown["patient"] = patient
    if username is not None:
        shown |= {"username": username, "sub": subject}
        if fhir_user is not None and "fhirUser" in scope.split():
            shown["fhirUser"] = f"{identity.fhir_base}/{fhir_user}"
    if context is not None:
        launched = msgspec.to_builtins(in_context(msgspec.json.decode(context, type=Grant), scope, "", 0))
        shown |= {name: value for name, value in launched.items() if name not in NOT_OF_INTROSPECTION}
    return shown
