"""Tells who ordered images of their report: a mail that says no more than that there is something.

What there is stands in the Communication, which they see as far as they see the patient.
"""

from __future__ import annotations

from typing import Any

from healix_fhir.imaging.reporting.edition import Edition
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.language.catalogue import marked, say
from healix_fhir.kernel.language.spoken import speaking
from healix_fhir.kernel.mail.message import Mail
from healix_fhir.kernel.mail.queue import post
from healix_fhir.model.imaging_report import is_critical

Json = dict[str, Any]
PAGE = "/account/results"
NEW = (marked("A new report"), marked("Something that you ordered has been reported."))
URGENT = (
    marked("A report to be read now"),
    marked("Something that you ordered has been reported, and is to be read now."),
)
MISTAKE = (
    marked("A report was taken back"),
    marked("A report of something that you ordered was a mistake, and has been taken back."),
)


def recipient_of(edition: Edition) -> str | None:
    """The Practitioner who ordered, unless it was who signed this version."""
    order = edition.order or {}
    named = str(order.get("requester", {}).get("reference", ""))
    if named.startswith("PractitionerRole/"):
        named = str(edition.known.get(named, {}).get("practitioner", {}).get("reference", ""))
    signed = [str(one.get("reference", "")) for one in edition.report.get("resultsInterpreter", ())][-1:]
    return named if named.startswith("Practitioner/") and named not in signed else None


def tell(edition: Edition, recipient: str, bases: tuple[str, ...], clinic: str) -> Work[None]:
    """Post the mails to the accounts of a Practitioner, in the language of the `clinic` where they chose none."""
    yield from _post(recipient, URGENT if is_critical(edition.report) else NEW, bases, clinic)


def tell_of_mistake(told: Json, bases: tuple[str, ...], clinic: str) -> Work[None]:
    """Post the mails that go with a Communication of a report that was taken back."""
    for one in told["recipient"]:
        yield from _post(str(one["reference"]), MISTAKE, bases, clinic)


def _post(recipient: str, letter: tuple[str, str], bases: tuple[str, ...], clinic: str) -> Work[None]:
    """Post a letter, by its subject and text, to the accounts of somebody."""
    rows = yield Statement(
        "SELECT mail, min(language) FROM account WHERE fhir_user = %s AND mail IS NOT NULL AND NOT disabled"
        " GROUP BY mail ORDER BY mail",
        (recipient,),
    )
    address = f"{bases[0].removesuffix('/fhir')}{PAGE}"
    mails = []
    for to, chosen in rows:
        with speaking(chosen or clinic):
            subject, what = map(say, letter)
            mails.append(Mail(to, subject, f"{what}\n\n{say('See {address}', address=address)}\n"))
    if mails:
        yield post(mails)
