"""Break-glass: a clinician opens the record of a patient who is not in their care, with a reason, for a limited time.

An opening is an emergency care relationship, so that every path follows it through the one predicate, and ends by
itself. It is audited, and announced under `TOPIC` for the notice to the patient. Everything that the clinician does to
the patient's record until it ends carries the purpose BTG in the audit trail.

Spec: HL7 v3 ActReason BTG; FHIR R4, hl7.org/fhir/R4/security.html#6.1.0; IHE BALP 1.1.3
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from healix_fhir.kernel import ids, outbox
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, forbidden, invalid
from healix_fhir.kernel.hashing import key64
from healix_fhir.kernel.outbox import Event
from smart_auth.access import AccessContext
from smart_auth.patients import patient_keys
from smart_auth.scope import Context, Permission, contexts

TOPIC = "break-glass"
SOURCE = "$break-glass/"
"""What the source of an emergency relationship begins with."""
OPEN_AT_ONCE = 20
"""So many records one clinician may have open: who opens the whole hospital has no emergency."""
SHORTEST, LONGEST = 4, 1000
"""Characters of a reason."""
LISTED = 500


class Terms(msgspec.Struct, frozen=True):
    """The operator's: how many hours an opening lasts, and whether it shows what Consents and labels hide."""

    hours: int = 4
    lifts: bool = True


DEFAULT = Terms()


class Opening(msgspec.Struct, frozen=True):
    """A record that was opened; `patient` and `practitioner` are logical ids."""

    id: str
    practitioner: str
    patient: str
    username: str | None
    client: str | None
    reason: str
    opened: datetime
    ends: datetime
    open: bool


def may_open(access: AccessContext) -> bool:
    """Whether the caller may break the glass: for a clinician in person, with `user/` scopes that read Patients."""
    return access.practitioner is not None and Context.USER in contexts(access.scopes, "Patient", Permission.READ)


def break_glass(access: AccessContext, patient: str, reason: str, terms: Terms) -> Work[Opening]:
    """Open the record of `patient`, who exists. Raises Forbidden, Invalid for a reason that is none, Conflict."""
    if not may_open(access):
        raise forbidden("break-glass is for a practitioner's token with a scope user/Patient.r")
    said = " ".join(reason.split())
    if not SHORTEST <= len(said) <= LONGEST:
        raise invalid(
            f"break-glass takes a reason of {SHORTEST} to {LONGEST} characters", code="required", expression=("reason",)
        )
    pat = (yield from patient_keys([patient]))[patient]
    new, who = ids.logical_id(), access.origin
    # those of one clinician one after another, so that what is opened at once is counted
    yield Statement("SELECT pg_advisory_xact_lock(%s)", (key64(f"{TOPIC} {access.practitioner}"),))
    rows = yield Statement(
        """WITH opened AS (
             INSERT INTO break_glass (id, practitioner, patient, username, client, reason, ends)
             SELECT %s, %s, %s, %s, %s, %s, now() + make_interval(hours => %s)
             WHERE (SELECT count(*) FROM break_glass o WHERE o.practitioner = %s AND o.ends > now()) < %s
             RETURNING id, practitioner, patient, username, client, reason, opened, ends),
           related AS (
             INSERT INTO care_relationship (practitioner, pat, source, starts, ends, emergency, lifts)
             SELECT o.practitioner, %s, %s || o.id, o.opened, o.ends, true, %s FROM opened o)
           SELECT o.*, true FROM opened o""",
        (
            *(new, access.practitioner, patient, who.account, who.client, said, terms.hours),
            *(access.practitioner, OPEN_AT_ONCE, pat, SOURCE, terms.lifts),
        ),
    )
    if not rows:
        raise HealixError(
            Category.CONFLICT, f"{OPEN_AT_ONCE} records are open by break-glass already; end some of them first"
        )
    yield record([AuditRow(who, "E", "$break-glass", patient=patient, entity=f"Patient/{patient}", query=said)])
    yield outbox.publish([Event(TOPIC, {"id": new})])
    return Opening(*rows[0])


def end(origin: Origin, *, patient: str | None = None, practitioner: str | None = None, id_: str = "") -> Work[int]:
    """End what is open: that of `id_`, or what `practitioner` has open of `patient`. How many have ended."""
    rows = yield Statement(
        f"""WITH ended AS (
              UPDATE break_glass SET ends = now()
              WHERE ends > now() AND (id = %s OR (patient = %s AND practitioner = %s)) RETURNING id, patient),
            gone AS (DELETE FROM care_relationship WHERE source IN (SELECT '{SOURCE}' || id FROM ended))
            SELECT patient FROM ended""",
        (id_, patient, practitioner),
    )
    if rows:
        yield record(
            [
                AuditRow(origin, "E", "$end-break-glass", patient=whose, entity=f"Patient/{whose}")
                for whose in sorted({row[0] for row in rows})
            ]
        )
    return len(rows)


_COLUMNS = "id, practitioner, patient, username, client, reason, opened, ends, ends > now()"


def find(id_: str) -> Work[Opening | None]:
    """One opening."""
    rows = yield Statement(f"SELECT {_COLUMNS} FROM break_glass WHERE id = %s", (id_,))
    return _openings(rows)[0] if rows else None


def openings(
    *, practitioner: str | None = None, only_open: bool = False, limit: int = LISTED
) -> Work[Sequence[Opening]]:
    """The newest openings, of one practitioner or of all."""
    rows = yield Statement(
        f"""SELECT {_COLUMNS} FROM break_glass WHERE (%s::text IS NULL OR practitioner = %s)
            AND (NOT %s OR ends > now()) ORDER BY opened DESC, id LIMIT %s""",
        (practitioner, practitioner, only_open, limit),
    )
    return _openings(rows)


def _openings(rows: Sequence[Row]) -> list[Opening]:
    return [Opening(*row) for row in rows]
