"""What a person allowed an app, from the moment of consent: a code that the app exchanges for tokens, once, soon.

The row of a grant is the family of every token that comes of it: ending the grant ends them all.

Spec: RFC 6749 4.1.2, 10.5; RFC 9700 4.5; SMART App Launch 2.2 app-launch.html#response-4
"""

from __future__ import annotations

from typing import Any

import msgspec

from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth.store import digest

CODE_LIFE = 60
"""Seconds. Spec: RFC 6749 4.1.2 (short lived; ten minutes at most)"""


class Grant(msgspec.Struct, frozen=True):
    """A person's consent. `scope` is what was granted; `auth_time` the second of the login, in Unix time.

    `session` is the hash of the browser's session (`digest` of the cookie's secret): with `online_access`, refresh
    tokens end with it. The rest is launch context, answered with the tokens where it is not None.
    """

    client: str
    username: str
    scope: str
    redirect_uri: str
    code_challenge: str  # of PKCE S256
    auth_time: int
    methods: tuple[str, ...] = ()  # of that login: values of amr; grants of older versions have none
    session: bytes | None = None
    nonce: str | None = None
    patient: str | None = None
    encounter: str | None = None
    fhir_context: tuple[dict[str, Any], ...] = ()
    intent: str | None = None
    need_patient_banner: bool | None = None
    smart_style_url: str | None = None
    tenant: str | None = None


def issue_code(grant: Grant, origin: Origin | None = None) -> Work[str]:
    """Record the consent and return the code for the redirect: opaque, good once and for `CODE_LIFE` seconds.

    The caller has checked that the client may ask for this at this redirect URI, and that the person may grant it.
    """
    code = ids.secret()
    session = grant.session if "offline_access" not in grant.scope.split() else None
    yield Statement(
        """INSERT INTO app_grant (id, client, username, context, session, code_hash, code_expires)
           VALUES (%s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s))""",
        (
            ids.logical_id(), grant.client, grant.username, msgspec.json.encode(grant).decode(), session, digest(code),
            CODE_LIFE,
        ),
    )  # fmt: skip
    who = origin or Origin()
    asked = Origin(grant.client, grant.username, who.address, who.request)
    yield record([AuditRow(asked, "E", "authorize", patient=grant.patient, query=grant.scope)])
    return code
