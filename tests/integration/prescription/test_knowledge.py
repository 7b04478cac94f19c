"""What terminologies know of medications: ingredients, classes, and names to find them by."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.database import transaction
from healix_fhir.operation.prescription.knowledge import RXNORM, SNOMED, known_of
from healix_fhir.operation.prescription.medication_search import PRODUCTS, find_medications
from healix_fhir.terminology.loading.load import load
from healix_fhir.terminology.resource import contents
from tests.support.gate import Pool

Json = dict[str, Any]


def concept(code: str, display: str, *below: Json, **properties: str) -> Json:
    """A concept with those below it."""
    told: Json = {"code": code, "display": display}
    if properties:
        told["property"] = [{"code": name.removeprefix("_"), "valueCode": value} for name, value in properties.items()]
    return told | ({"concept": list(below)} if below else {})


@pytest.fixture
def terminologies(pool: Pool) -> Pool:
    """A little of RxNorm, where ingredients are properties, and of SNOMED CT, which has a hierarchy too."""
    rxnorm = [
        concept("723", "amoxicillin"),
        concept("315", "amoxicillin 250 MG", has_ingredient="723"),
        concept("308182", "amoxicillin 250 MG Oral Capsule", consists_of="315"),
        concept("999", "Trimox 250 MG Oral Capsule", tradename_of="308182"),
    ]
    product = concept("27658006", "Product containing amoxicillin", _127489000="372687004")
    snomed = [
        concept(PRODUCTS, "Medicinal product", product),
        concept("764146007", "Penicillin", concept("372687004", "Amoxicillin")),
    ]
    for url, concepts in ((RXNORM, rxnorm), (SNOMED, snomed)):
        system = {"resourceType": "CodeSystem", "url": url, "status": "active", "content": "complete"}
        load(pool, contents(system | {"concept": concepts}), "sample", lambda _: None)
    return pool


@pytest.mark.spec("FHIR R4 rxnorm.html")
def test_ingredients_and_classes(terminologies: Pool) -> None:
    """Through several steps, in each system by its own properties; what is above an ingredient is a kind of both."""
    brand, product, unknown = (RXNORM, "999"), (SNOMED, "27658006"), ("urn:none", "1")
    known = transaction(terminologies, lambda: known_of([brand, product, unknown, (RXNORM, "nothing")]))
    assert (RXNORM, "723") in known.substances([brand])
    assert known.substances([product]) == {product, (SNOMED, "372687004")}
    assert known.kinds([product]) == {product, (SNOMED, PRODUCTS), (SNOMED, "372687004"), (SNOMED, "764146007")}
    assert known.kinds([unknown]) == {unknown}
    assert known.kinds([(RXNORM, "nothing")]) == {(RXNORM, "nothing")}


def test_medications_are_found_by_the_begin_of_their_words(terminologies: Pool) -> None:
    """In every system that is here, the shortest name first; of SNOMED CT products alone, not substances."""
    found = transaction(terminologies, lambda: find_medications("amox"))
    assert [one.code for one in found] == ["723", "315", "27658006", "308182"]
    assert [one.code for one in transaction(terminologies, lambda: find_medications("oral trim"))] == ["999"]
    assert transaction(terminologies, lambda: find_medications("; '")) == []
