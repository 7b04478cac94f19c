"""Pairing of devices: who manages a Device gets a code, and whoever types it in at the device gets a token for it.

A code has 40 bits in letters and digits that are not mixed up when they are read aloud (Crockford's base 32). It is
good once and for `LIFE` seconds; a newer one of the same device makes it worthless, and `PAUSE` seconds lie between
two. It is exchanged at the token endpoint as an extension grant, without a client: a device has nothing to prove who it
is but the code. The token opens the device itself to be read, and Observations by this device of this patient to be
created and corrected; that is what `$ingest-measurements` needs, and all. A device has one token: pairing it again ends
the one before.

Spec: RFC 6749 4.5 (extension grants), 10.10; SMART App Launch 2.2 scopes-and-launch-context.html#fhircontext-exp
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime

import msgspec

from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.clock import now
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.account.invitation import ALPHABET, plain
from smart_auth.account.tickets import Purpose, issue, use
from smart_auth.oauth.refusal import OAuthError, Reason
from smart_auth.oauth.throttle import Hit, right
from smart_auth.oauth.tokens import TokenAnswer, revoke_access
from smart_auth.patients import patient_keys
from smart_auth.store import digest

GRANT = "urn:healix:oauth:grant-type:pairing-code"
LENGTH, HALF = 8, 4
LIFE = 600
PAUSE = 5
TOKEN_LIFE = 365 * 86400
"""Seconds that a device's token lives: a device cannot ask people again, and is unpaired at any time."""
SCOPE = "patient/Device.r?_id={device} patient/Observation.cu?device=Device/{device}"


class Code(msgspec.Struct, frozen=True):
    """A code as it is shown, and until when it is good."""

    text: str
    expires: datetime


def code_for(device: str, patient: str, origin: Origin) -> Work[Code]:
    """A new code for a device of a patient (logical ids). Raises Busy where the last is only `PAUSE` seconds old."""
    details = msgspec.json.encode({"device": device, "patient": patient})
    recent = yield Statement(
        """SELECT 1 FROM ticket WHERE purpose = %s AND details = %s AND created > now() - make_interval(secs => %s)""",
        (Purpose.PAIRING.value, details, PAUSE),
    )
    if recent:
        raise HealixError(Category.BUSY, f"a code was made only now; wait {PAUSE} seconds", retry_after=PAUSE)
    yield _void(device, patient)
    text = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    yield from issue(Purpose.PAIRING, LIFE, secret=text, device=device, patient=patient)
    yield record([AuditRow(origin, "C", "pairing-code", patient=patient, entity=f"Device/{device}")])
    rows = yield Statement("SELECT now() + make_interval(secs => %s)", (LIFE,))
    return Code(f"{text[:HALF]}-{text[HALF:]}", rows[0][0])


def exchange(form: Mapping[str, str], asked: Origin, counted: Hit) -> Work[TokenAnswer | OAuthError]:
    """The token for a code; of any number of exchanges at once, one finds it. `counted` is taken back for it."""
    ticket = yield from use(Purpose.PAIRING, plain(form.get("code", "")))
    if ticket is None:
        return OAuthError(Reason.INVALID_GRANT, "the code is unknown, over or used; ask for a new one")
    yield right(counted)
    device, patient = ticket.details["device"], ticket.details["patient"]
    yield revoke_access([of(device)])
    pat = (yield from patient_keys([patient]))[patient]
    token, scope = ids.secret(), SCOPE.format(device=device)
    yield Statement(
        """INSERT INTO access_token (hash, client, scope, patient, pat, grant_id, expires)
           VALUES (%s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s))""",
        (digest(token), of(device), scope, patient, pat, of(device), TOKEN_LIFE),
    )
    who = Origin(of(device), None, asked.address, asked.request)
    yield record([AuditRow(who, "C", "token", patient=patient, entity=f"Device/{device}", query=scope)])
    context = ({"reference": f"Device/{device}"},)
    return TokenAnswer(token, TOKEN_LIFE, scope, patient=patient, fhir_context=context)


def unpair(device: str, patient: str, origin: Origin) -> Work[None]:
    """End the token of a device at once, and make a code for it worthless."""
    yield _void(device, patient)
    yield revoke_access([of(device)])
    yield record([AuditRow(origin, "D", "token", patient=patient, entity=f"Device/{device}")])


def paired(devices: list[str]) -> Work[dict[str, datetime]]:
    """Of devices (logical ids) those that have a token, with when they got it."""
    rows = yield Statement(
        """SELECT client, max(created) FROM access_token
           WHERE grant_id = ANY(%s) AND NOT revoked AND expires > %s GROUP BY client""",
        ([of(device) for device in devices], now()),
    )
    return {client.removeprefix(of("")): created for client, created in rows}


def of(device: str) -> str:
    """What the tokens of a device stand under, as their client and their grant."""
    return f"device/{device}"


def _void(device: str, patient: str) -> Statement:
    details = msgspec.json.encode({"device": device, "patient": patient})
    return Statement("DELETE FROM ticket WHERE purpose = %s AND details = %s", (Purpose.PAIRING.value, details))
