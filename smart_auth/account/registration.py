"""The end of a registration: the account is made when its person follows the link in the mail."""

from __future__ import annotations

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.hashing import key64
from smart_auth.account import invitation
from smart_auth.account.tickets import Purpose, use
from smart_auth.store import create_user

OVER = "This link is no longer good. Please register once more."


def confirm(secret: str, origin: Origin) -> Work[str]:
    """Make the account of a registration; its username. Of several uses at once, one makes it.

    Raises Conflict when the link was used or is over, when the record got an account meanwhile or the name was taken.
    """
    ticket = yield from use(Purpose.REGISTRATION, secret)
    if ticket is None or ticket.username is None:
        raise HealixError(Category.CONFLICT, OVER)
    details = ticket.details
    fhir_user: str = details["fhir_user"]
    yield Statement("SELECT pg_advisory_xact_lock(%s)", (key64(f"account {fhir_user}"),))
    if (yield Statement("SELECT 1 FROM account WHERE fhir_user = %s", (fhir_user,))):
        raise HealixError(Category.CONFLICT, "There is an account for this record already. Sign in with it.")
    if details["invitation"] is not None and not (yield from invitation.accept(details["invitation"])):
        raise HealixError(Category.CONFLICT, "This invitation is no longer good. Ask the clinic for another one.")
    yield from create_user(
        ticket.username,
        role="patient",
        fhir_user=fhir_user,
        password_hash=details["password_hash"],
        mail=details["mail"],
    )
    who = Origin(origin.client, ticket.username, origin.address, origin.request)
    yield record([AuditRow(who, "C", "registration", patient=fhir_user.partition("/")[2], entity=fhir_user)])
    return ticket.username
