"""The tokens that come of a grant, and the answer that hands them out.

Spec: RFC 6749 5.1; SMART App Launch 2.2 scopes-and-launch-context.html#launch-context-arrives-with-your-access_token
"""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

import msgspec

from healix_fhir.kernel.database import Statement, Work
from smart_auth.oauth.grant import Grant
from smart_auth.oauth.sessions import LONGEST
from smart_auth.patients import patient_keys
from smart_auth.store import CHANNEL, digest

ACCESS_LIFE = 3600
"""Seconds that an access token of a person's grant lives."""
SERVICE_LIFE = 300
"""Seconds that one of a backend service lives. Spec: SMART App Launch 2.2 backend-services.html (five minutes)"""
OFFLINE_LIFE = 90 * 86400
"""Seconds that a refresh token with `offline_access` may lie unused."""
ONLINE, OFFLINE = "online_access", "offline_access"

ALIVE = f"""g.ended IS NULL AND NOT a.disabled
  AND (g.session IS NULL OR EXISTS (SELECT FROM session s WHERE s.hash = g.session
                                      AND s.created > now() - interval '{LONGEST} seconds'))"""
"""The condition that grant `g` of account `a` still gives tokens: an online one ends with its session."""


class TokenAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a token request is answered with. Members that were not granted are left out."""

    access_token: str
    expires_in: int
    scope: str
    token_type: str = msgspec.field(default_factory=lambda: "Bearer")
    refresh_token: str | None = None
    id_token: str | None = None
    patient: str | None = None
    encounter: str | None = None
    fhir_context: tuple[dict[str, Any], ...] = msgspec.field(default=(), name="fhirContext")
    intent: str | None = None
    need_patient_banner: bool | None = None
    smart_style_url: str | None = None
    tenant: str | None = None


def in_context(
    grant: Grant, scope: str, access: str, seconds: int, *, refresh: str | None = None, id_token: str | None = None
) -> TokenAnswer:
    """The answer that hands out tokens with the grant's launch context."""
    return TokenAnswer(
        access_token=access,
        expires_in=seconds,
        scope=scope,
        refresh_token=refresh,
        id_token=id_token,
        patient=grant.patient,
        encounter=grant.encounter,
        fhir_context=grant.fhir_context,
        intent=grant.intent,
        need_patient_banner=grant.need_patient_banner,
        smart_style_url=grant.smart_style_url,
        tenant=grant.tenant,
    )


def keep_access(token: str, grant_id: str, grant: Grant, scope: str) -> Work[None]:
    """Make `token` an access token of the grant."""
    pat = None
    if grant.patient is not None:
        pat = (yield from patient_keys([grant.patient]))[grant.patient]
    yield Statement(
        """INSERT INTO access_token (hash, client, username, scope, patient, pat, expires, grant_id)
           VALUES (%s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s), %s)""",
        (digest(token), grant.client, grant.username, scope, grant.patient, pat, ACCESS_LIFE, grant_id),
    )


def keep_refresh(token: str, grant_id: str, generation: int, scope: str) -> Statement:
    """Make `token` the refresh token of a generation: one for online access ends with the longest session."""
    return Statement(
        """INSERT INTO refresh_token (hash, grant_id, generation, scope, seed, expires)
           SELECT %s, g.id, %s, %s, %s, CASE WHEN %s THEN now() + make_interval(secs => %s)
                                             ELSE g.created + make_interval(secs => %s) END
           FROM app_grant g WHERE g.id = %s""",
        (digest(token), generation, scope, os.urandom(32), OFFLINE in scope.split(), OFFLINE_LIFE, LONGEST, grant_id),
    )


def may_refresh(scope: str) -> bool:
    """Whether a granted scope comes with a refresh token."""
    return not {ONLINE, OFFLINE}.isdisjoint(scope.split())


def successor(token: str, seed: bytes, kind: bytes) -> str:
    """The token that follows a refresh token: the same each time it is asked, so that a retry gets the same answer.

    Neither the seed, which the database holds, nor the token, which the client holds, tells it alone.
    """
    made = hmac.new(seed, kind + b"\0" + token.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
    return urlsafe_b64encode(made).rstrip(b"=").decode()


def end_grant(grant_id: str) -> Work[bool]:
    """End a grant with all its tokens, at once in every process; False when it has ended already.

    The row of the grant is locked first, as by every exchange: what a refresh in progress makes is ended too.
    """
    rows = yield Statement(
        "UPDATE app_grant SET ended = now() WHERE id = %s AND ended IS NULL RETURNING id", (grant_id,)
    )
    yield revoke_access([grant_id])
    return bool(rows)


def end_online(username: str, sessions: Sequence[bytes]) -> Work[None]:
    """End what apps have of a person for as long as sessions last (their hashes), which the caller has ended."""
    ended = yield Statement(
        """WITH open AS (SELECT id FROM app_grant WHERE username = %s AND session = ANY(%s) AND ended IS NULL
                         ORDER BY id FOR UPDATE)
           UPDATE app_grant g SET ended = now() FROM open WHERE g.id = open.id RETURNING g.id""",
        (username, list(sessions)),
    )
    if ended:
        yield revoke_access([row[0] for row in ended])


def revoke_access(grant_ids: Sequence[str]) -> Statement:
    """Make the access tokens of grants, which the caller has locked and ended, worthless at once in every process."""
    return Statement(
        f"""WITH gone AS (UPDATE access_token SET revoked = true WHERE grant_id = ANY(%s) AND NOT revoked
                          RETURNING hash)
            SELECT pg_notify('{CHANNEL}', encode(hash, 'hex')) FROM gone""",
        (list(grant_ids),),
    )
