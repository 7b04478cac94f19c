"""Pairing of devices: who manages a Device gets a code, and whoever types it in at the device gets a token for it.

A code has 40 bits in letters and digits that are not mixed up when they are read aloud (Crockford's base 32). It is
good once and for `LIFE` seconds; a newer one of the same device makes it worthless, and `PAUSE` seconds lie between
two. It is exchanged at the token endpoint as an extension grant, without a client: a device has nothing to prove who it
is but the code. The token opens the device itself to be read, and Observations by this device of this patient to be
created and corrected; that is what `$ingest-measurements` needs, and all. A device has one token: pairing it again ends
the one before. It ends, too, when its Device is not in use any more, is deleted, or is of somebody else
(healix_fhir/care/devices.py); where two Patients are merged it goes on for the one who stays.

Spec: RFC 6749 4.5 (extension grants), 10.10; SMART App Launch 2.2 scopes-and-launch-context.html#fhircontext-exp
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
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
from smart_auth.store import CHANNEL, digest

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
    yield from withdraw([(device, patient)], origin)


def holders(devices: Sequence[str]) -> Work[set[tuple[str, str]]]:
    """Of devices those that have a token, or a code for one, each with the patient whom that is for (logical ids)."""
    tokens = yield Statement(
        "SELECT client, patient FROM access_token WHERE grant_id = ANY(%s) AND NOT revoked AND expires > now()",
        ([of(device) for device in devices],),
    )
    codes = yield Statement("SELECT details FROM ticket WHERE purpose = %s", (Purpose.PAIRING.value,))
    asked = [msgspec.json.decode(details) for (details,) in codes]
    coded = {(one["device"], one["patient"]) for one in asked if one["device"] in devices}
    return coded | {(client.removeprefix(of("")), patient) for client, patient in tokens}


def withdraw(ended: Collection[tuple[str, str]], origin: Origin) -> Work[None]:
    """End the tokens of devices at once, and make codes for them worthless; each with the patient whom that is for."""
    details = [msgspec.json.encode({"device": device, "patient": patient}) for device, patient in ended]
    yield Statement("DELETE FROM ticket WHERE purpose = %s AND details = ANY(%s)", (Purpose.PAIRING.value, details))
    yield revoke_access([of(device) for device, _ in ended])
    yield record([AuditRow(origin, "D", "token", patient=pat, entity=f"Device/{device}") for device, pat in ended])


def carry(whose: Mapping[str, str], origin: Origin) -> Work[int]:
    """Let the tokens of devices go on for the patients whose they are now, by device; how many did.

    What a device reads and writes with it is of that patient from then on.
    """
    keys = yield from patient_keys(list(whose.values()))
    rows = yield Statement(
        f"""WITH x AS MATERIALIZED (
              SELECT t.hash, t.client, t.patient AS had, x.patient, x.pat
              FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS x (grant_id, patient, pat)
              JOIN access_token t ON t.grant_id = x.grant_id
              WHERE NOT t.revoked AND t.patient IS DISTINCT FROM x.patient ORDER BY t.hash FOR UPDATE OF t),
            moved AS (UPDATE access_token t SET patient = x.patient, pat = x.pat FROM x WHERE t.hash = x.hash)
            SELECT client, had, patient, pg_notify('{CHANNEL}', encode(hash, 'hex'))::text FROM x""",
        ([of(device) for device in whose], list(whose.values()), [keys[patient] for patient in whose.values()]),
    )
    if rows:
        yield record(
            [
                AuditRow(
                    origin, "U", "token", patient=patient,
                    entity=f"Device/{client.removeprefix(of(''))}", query=f"of Patient/{had} before",
                )
                for client, had, patient, _ in rows
            ]
        )  # fmt: skip
    return len(rows)


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
