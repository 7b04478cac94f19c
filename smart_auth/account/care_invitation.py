"""Invitations to a care relationship: a patient offers a clinician the record, or a clinician offers a patient care.

An invitation is for who has its code, or for one account, which is named and need not exist: who invites learns nothing
of it either way. It is good once and for `LIFE` seconds, for the other side only; to use it is to remove it, so that of
any number at once one has it. Making, accepting, declining and taking back are in the audit trail.

Spec: OWASP ASVS 5.0 6.5 (time-limited, single use)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.hashing import key64
from smart_auth.account.invitation import grouped, new_code, plain
from smart_auth.account.tickets import Purpose, issue
from smart_auth.store import digest

LIFE = 7 * 86400
OPEN_AT_ONCE = 20
"""Invitations of one account that may wait."""
LONGEST_NAME = 100


class Invitation(msgspec.Struct, frozen=True):
    """Who invites (a username), and whom, where one account is meant; one of `patient` and `practitioner`, logical ids:
    whose record is offered, or whose care.
    """

    id: str
    inviter: str
    invited: str | None
    patient: str | None
    practitioner: str | None
    made: datetime
    expires: datetime


_COLUMNS = "id, username, created, expires, details"
_SAYS = "convert_from(details, 'UTF8')::json ->> '{}'"
"""What the details of a ticket say of one thing."""
_SIDE = f"({_SAYS.format('patient')} IS NOT NULL)"
"""Whether a ticket offers a record, so that it is for clinicians."""


def invite(
    who: Origin, inviter: str, *, patient: str | None = None, practitioner: str | None = None, invited: str = ""
) -> Work[str | None]:
    """Invite to the record of `patient`, or to the care of `practitioner`; the code, where no account is named.

    Raises Conflict when as many wait as may, Invalid for what is no user name.
    """
    account = invited.strip().lower()[:LONGEST_NAME] or None
    if account is not None and not account.isprintable():
        raise invalid("a user name has letters, figures and signs", code="value", expression=("to",))
    code = new_code() if account is None else None
    yield Statement("SELECT pg_advisory_xact_lock(%s)", (key64(f"care-invite {inviter}"),))
    if len((yield from sent(inviter))) >= OPEN_AT_ONCE:
        raise HealixError(Category.CONFLICT, f"{OPEN_AT_ONCE} invitations wait already; take some of them back first")
    side = {"invited": account, "patient": patient, "practitioner": practitioner}
    yield from issue(Purpose.CARE, LIFE, username=inviter, secret=code, **side)
    yield _recorded(who, "C", "care-invite", patient, practitioner)
    return grouped(code) if code is not None else None


def sent(inviter: str) -> Work[list[Invitation]]:
    """The invitations of an account that wait, the newest first."""
    rows = yield Statement(
        f"""SELECT {_COLUMNS} FROM ticket WHERE username = %s AND purpose = %s AND expires > now()
            ORDER BY created DESC, id""",
        (inviter, Purpose.CARE.value),
    )
    return _invitations(rows)


def received(username: str, *, clinical: bool) -> Work[list[Invitation]]:
    """The invitations that wait for an account: those of patients for a clinician, those of clinicians for others."""
    rows = yield Statement(
        f"""SELECT {_COLUMNS} FROM ticket
            WHERE purpose = %s AND expires > now() AND {_SAYS.format("invited")} = %s AND {_SIDE} = %s
            ORDER BY created DESC, id""",
        (Purpose.CARE.value, username, clinical),
    )
    return _invitations(rows)


def take(username: str, *, clinical: bool, id_: str = "", code: str = "") -> Work[Invitation | None]:
    """Use an invitation up, by its code or as the account that it is for; None when there is none that is good."""
    which, by = (
        ("hash = %s", [digest(plain(code))])
        if code
        else (f"id = %s AND {_SAYS.format('invited')} = %s", [id_, username])
    )
    rows = yield Statement(
        f"DELETE FROM ticket WHERE purpose = %s AND expires > now() AND {_SIDE} = %s AND {which} RETURNING {_COLUMNS}",
        (Purpose.CARE.value, clinical, *by),
    )
    return _invitations(rows)[0] if rows else None


def accepted(who: Origin, patient: str, practitioner: str) -> Statement:
    """The audit row of an invitation that was accepted."""
    return record([AuditRow(who, "C", "care-accept", patient=patient, entity=f"Practitioner/{practitioner}")])


def decline(who: Origin, username: str, id_: str, *, clinical: bool) -> Work[bool]:
    """Decline an invitation to an account."""
    found = yield from take(username, clinical=clinical, id_=id_)
    if found is not None:
        yield _recorded(who, "D", "care-decline", found.patient, found.practitioner)
    return found is not None


def withdraw(who: Origin, inviter: str, id_: str) -> Work[bool]:
    """Take one's own invitation back."""
    rows = yield Statement(
        f"DELETE FROM ticket WHERE id = %s AND username = %s AND purpose = %s RETURNING {_COLUMNS}",
        (id_, inviter, Purpose.CARE.value),
    )
    for one in _invitations(rows):
        yield _recorded(who, "D", "care-invite", one.patient, one.practitioner)
    return bool(rows)


def _recorded(who: Origin, action: str, word: str, patient: str | None, practitioner: str | None) -> Statement:
    entity = f"Patient/{patient}" if patient is not None else f"Practitioner/{practitioner}"
    return record([AuditRow(who, action, word, patient=patient, entity=entity)])


def _invitations(rows: Sequence[Row]) -> list[Invitation]:
    return [
        Invitation(id_, inviter, made=made, expires=expires, **msgspec.json.decode(bytes(details)))
        for id_, inviter, made, expires, details in rows
    ]
