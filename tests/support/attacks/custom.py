"""Attacks by the parameters of `defined`: found, chained, reversed, included and sorted by them.

Spec: FHIR R4, hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.attacks.attack import Attack

SEARCHES = (
    "Patient?made-word=<custom>",
    "Patient?made-word:contains=<custom>",
    "Patient?_id=own,<patient>&made-word:missing=false",
    "Patient?_id=own,<patient>&_sort=made-word",
    "Patient?_id=own,<patient>&_sort=-made-on&_count=1",
    "Patient?made-on=<date>&_summary=count",
    "Observation?made-code=<custom>",
    "Observation?_id=<observation>&made-code:not=none",
    "Observation?made-to=Patient/<patient>",
    "Observation?made-to=Patient/<patient>&_sort=made-word",
    "Observation?_id=<kind>-own&made-to:Patient.family=<family>",
    "Observation?_id=<kind>-own&made-to:Patient.made-word=<custom>",
    "Observation?_id=<kind>-own&made-to:Observation.made-code=<custom>",
    "Observation?_id=<kind>-own&encounter.made-code=<custom>",
    "Observation?_id=<kind>-own&_include=Observation:made-to",
    "Observation?_id=<kind>-own&_include=Observation:made-to&_include:iterate=Observation:made-to",
    "Observation?_id=seen&_has:Observation:made-to:code=<code>",
    "Observation?_id=seen&_has:Encounter:made-to:made-code=<custom>",
    "Observation?_id=seen&_revinclude=Observation:made-to",
    "Observation?_id=seen&_revinclude=Basic:made-to&_revinclude:iterate=Observation:made-to",
    "Practitioner?_id=stranger&_has:Patient:made-to:family=<family>",
    "Practitioner?_id=stranger&_has:Patient:made-to:made-word=<custom>",
    "Practitioner?_id=stranger&_revinclude=Patient:made-to",
    "Observation?_filter=made-code eq <custom>",
    "Observation?_filter=made-to.made-word eq <custom>&_id=<kind>-own",
    "Patient/<patient>/Observation?made-code=<custom>",
    "?_type=Observation,Encounter&made-code=<custom>",
)


def custom() -> Iterator[Attack]:
    """Every search by them."""
    for address in SEARCHES:
        yield Attack("GET", f"/fhir/{address}".replace("/fhir/?", "/fhir?"))
