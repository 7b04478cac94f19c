"""Find medications by name in the terminologies that are loaded.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-medication-codes.html; SNOMED CT, Medicinal product model
"""

from __future__ import annotations

import msgspec

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.operation.prescription.knowledge import RXNORM, SNOMED
from healix_fhir.terminology.catalog import ABSENT, find_each
from healix_fhir.terminology.concepts import text_query
from smart_auth.access import internal

ATC = "http://www.whocc.no/atc"
NDC = "http://hl7.org/fhir/sid/ndc"
SYSTEMS = (RXNORM, SNOMED, ATC, NDC)
PRODUCTS = "763158003"
"""What products stand below in SNOMED CT: medicinal product."""
MOST = 20


class Found(msgspec.Struct, frozen=True):
    """A medication of a code system."""

    system: str
    code: str
    name: str


def find_medications(text: str) -> Work[list[Found]]:
    """Those of which a name has words that begin like those of a text, the shortest names first."""
    query = text_query(text)
    if query is None:
        return []
    listed: list[Found] = []
    systems = yield from find_each(internal("prescriptions"), SYSTEMS)
    for url, system in systems.items():
        if system is None or system.content in ABSENT:
            continue
        rows = yield Statement(
            """SELECT c.code, c.display FROM concept c
               WHERE c.system = %s AND c.words @@ %s::tsquery AND NOT c.inactive AND c.display IS NOT NULL
                 AND (%s <> %s OR EXISTS (SELECT FROM concept p WHERE p.system = c.system AND p.key = %s
                                            AND p.below @> c.n))
               ORDER BY length(c.display), c.display LIMIT %s""",
            (system.id, query, url, SNOMED, PRODUCTS, MOST),
        )
        listed += [Found(url, code, display) for code, display in rows]
    return sorted(listed, key=lambda one: (len(one.name), one.name))[:MOST]
