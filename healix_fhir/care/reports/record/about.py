"""Whom a record is about: the head of every page, and the facts on the first one.

Spec: FHIR R4, hl7.org/fhir/R4/patient.html
"""

from __future__ import annotations

from typing import Any

from healix_fhir.care.reports.document import Fact, Facts
from healix_fhir.care.reports.told import address, identifier, name, telecom
from healix_fhir.care.reports.written import Written

Json = dict[str, Any]
DOT = " \N{MIDDLE DOT} "
LONGEST = 90
"""Characters of each part of the head, which has two lines."""


def head(patient: Json, written: Written) -> str:
    """Name, birth date and identifier, as they stand on every page."""
    born = written.date(patient.get("birthDate"))
    parts = (
        name(patient.get("name")),
        written.say("born", date=born) if born else "",
        identifier(patient.get("identifier")),
    )
    return DOT.join(part[:LONGEST] for part in parts if part)


def facts(patient: Json, written: Written, *further: tuple[str, str]) -> Facts:
    """What is known of the patient; `further` facts, by the names of their labels, stand below."""
    unknown = written.say("unknown")
    gender = patient.get("gender")
    told = (
        ("name", name(patient.get("name"))),
        ("born", written.date(patient.get("birthDate"))),
        ("gender", written.say(f"gender.{gender}") if gender else ""),
        ("identifier", identifier(patient.get("identifier"))),
        ("address", address(patient.get("address"))),
        ("telecom", telecom(patient.get("telecom"))),
    )
    return Facts(
        tuple(Fact(written.say(f"label.{label}"), text or unknown) for label, text in (*told, *further)), framed=True
    )
