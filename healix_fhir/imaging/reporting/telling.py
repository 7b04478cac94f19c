"""Tells who ordered images of their report: a mail that says no more than that there is something.

What there is stands in the Communication, which they see as far as they see the patient.
"""

from __future__ import annotations

from typing import Any

from healix_fhir.imaging.reporting.edition import Edition
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.mail.message import Mail
from healix_fhir.kernel.mail.queue import post
from healix_fhir.model.imaging_report import is_critical

Json = dict[str, Any]
PAGE = "/account/results"


def recipient_of(edition: Edition) -> str | None:
    """The Practitioner who ordered, unless it was who signed this version."""
    order = edition.order or {}
    named = str(order.get("requester", {}).get("reference", ""))
    if named.startswith("PractitionerRole/"):
        named = str(edition.known.get(named, {}).get("practitioner", {}).get("reference", ""))
    signed = [str(one.get("reference", "")) for one in edition.report.get("resultsInterpreter", ())][-1:]
    return named if named.startswith("Practitioner/") and named not in signed else None


def tell(edition: Edition, recipient: str, bases: tuple[str, ...]) -> Work[None]:
    """Post the mails to the accounts of a Practitioner."""
    urgent = is_critical(edition.report)
    subject = "A report to be read now" if urgent else "A new report"
    what = "Something that you ordered has been reported" + (", and is to be read now." if urgent else ".")
    yield from _post(recipient, subject, what, bases)


def tell_of_mistake(told: Json, bases: tuple[str, ...]) -> Work[None]:
    """Post the mails that go with a Communication of a report that was taken back."""
    what = "A report of something that you ordered was a mistake, and has been taken back."
    for one in told["recipient"]:
        yield from _post(str(one["reference"]), "A report was taken back", what, bases)


def _post(recipient: str, subject: str, what: str, bases: tuple[str, ...]) -> Work[None]:
    rows = yield Statement(
        "SELECT DISTINCT mail FROM account WHERE fhir_user = %s AND mail IS NOT NULL AND NOT disabled ORDER BY mail",
        (recipient,),
    )
    if rows:
        root = bases[0].removesuffix("/fhir")
        yield post([Mail(to, subject, f"{what}\n\nSee {root}{PAGE}\n") for (to,) in rows])
