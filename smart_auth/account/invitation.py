"""Invitation codes: a clinic gives one to a patient, who registers with it and needs to know nothing else.

A code has 80 bits in letters and digits that are not mixed up (Crockford's base 32), in groups of four. It is good once
and for `LIFE` seconds; a newer one of the same patient makes it worthless.
"""

from __future__ import annotations

import secrets

import msgspec

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth.account.tickets import Purpose, issue, look, use

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH, GROUP = 16, 4
ALIKE = str.maketrans("OIL", "011", " -")
LIFE = 14 * 86400


def invite(fhir_user: str, origin: Origin) -> Work[str]:
    """A new code for a patient (`Patient/ID`)."""
    code = new_code()
    yield Statement(
        "DELETE FROM ticket WHERE purpose = %s AND details = %s",
        (Purpose.INVITATION.value, msgspec.json.encode({"fhir_user": fhir_user})),
    )
    yield from issue(Purpose.INVITATION, LIFE, secret=code, fhir_user=fhir_user)
    yield record([AuditRow(origin, "C", "invitation", patient=fhir_user.partition("/")[2], entity=fhir_user)])
    return grouped(code)


def new_code() -> str:
    """A code, as it is hashed."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def grouped(code: str) -> str:
    """A code as people read it."""
    return "-".join(code[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def invited(code: str) -> Work[str | None]:
    """Whom a code invites."""
    ticket = yield from look(Purpose.INVITATION, plain(code))
    return str(ticket.details["fhir_user"]) if ticket else None


def accept(code: str) -> Work[bool]:
    """Use a code up; False when it is no longer good."""
    return (yield from use(Purpose.INVITATION, plain(code))) is not None


def plain(code: str) -> str:
    """A code as people type it: in any case, with or without dashes, O for 0."""
    return code.upper().translate(ALIKE)
