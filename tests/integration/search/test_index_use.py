"""A search by any type of parameter reads what it finds from an index, not a table from end to end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from healix_fhir.kernel.database import open_pool
from tests.support.search import Clinic

EACH = 3000
UCUM = "http://unitsofmeasure.org"


def _resources(n: int) -> tuple[dict[str, Any], ...]:
    """One resource of each type, whose values few others share."""
    quantity = {"value": Decimal(n), "system": UCUM, "code": "mg"}
    return (
        {
            "resourceType": "Observation",
            "id": f"o{n}",
            "status": "final",
            "code": {"coding": [{"system": "urn:c", "code": f"c{n % 50}"}]},
            "performer": [{"reference": f"Practitioner/d{n}"}],
            "component": [
                {"code": {"coding": [{"code": "part"}]}, "valueCodeableConcept": {"coding": [{"code": f"v{n}"}]}}
            ],
            **({"valueQuantity": quantity} if n % 2 else {"valueCodeableConcept": {"coding": [{"code": f"v{n}"}]}}),
        },
        {"resourceType": "Patient", "id": f"p{n}", "name": [{"family": f"family{n}", "given": ["Ann"]}]},
        {
            "resourceType": "Condition",
            "id": f"k{n}",
            "subject": {"reference": f"Patient/p{n}"},
            "recordedDate": f"{1000 + n}-05-06",
        },
        {
            "resourceType": "RiskAssessment",
            "id": f"r{n}",
            "status": "final",
            "prediction": [{"probabilityDecimal": Decimal(n).scaleb(-4)}],
        },
        {"resourceType": "ValueSet", "id": f"v{n}", "status": "active", "url": f"http://v.test/{n % 70}/{n}"},
    )


@pytest.fixture(scope="module")
def filled(module_database_url: str) -> Iterator[Clinic]:
    """Three thousand resources of each of five types."""
    with open_pool(module_database_url, size=1) as pool:
        clinic = Clinic(pool)
        for start in range(0, EACH, 200):
            clinic.put(*(resource for n in range(start, start + 200) for resource in _resources(n)))
        with pool.connection() as connection:
            connection.execute("VACUUM (ANALYZE)")
        yield clinic


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Observation?value-quantity=1001", 1),
        (f"Observation?value-quantity=1.001|{UCUM}|g", 1),
        ("Observation?value-quantity=ge2990", 5),
        ("Observation?code-value-quantity=c1$1001", 1),
        ("Observation?code-value-quantity=urn:c|c1$gt2900", 2),
        ("Observation?component-code-value-concept=part$v77", 1),
        ("Observation?value-concept=v100", 1),
        ("Observation?combo-value-concept=v101", 1),
        ("Observation?performer=Practitioner/d5", 1),
        ("Observation?performer=d5,d7", 2),
        ("RiskAssessment?probability=0.1234", 1),
        ("RiskAssessment?probability=gt0.2989", 10),
        ("Patient?family=family299", 11),
        ("Patient?family:exact=family7", 1),
        ("Patient?name:contains=mily1234", 1),
        ("Condition?recorded-date=1500", 1),
        ("Condition?recorded-date=lt1004", 4),
        ("Condition?recorded-date=sa3995-12", 4),
        ("Condition?subject=Patient/p9", 1),
        ("Condition?subject:Patient.family=family2999", 1),
        ("ValueSet?url=http://v.test/1/1", 1),
        ("ValueSet?url:below=http://v.test/1", 43),
        ("Patient?_id=p1,p2", 2),
        ("Patient?_has:Condition:subject:recorded-date=1500", 1),
    ],
)
def test_every_type_of_parameter_is_read_from_an_index(filled: Clinic, query: str, found: int) -> None:
    """What a selective condition finds costs about as many rows of its table as it finds, never all there are.

    A part of a table that is empty, as most are here in partitions, may be read from end to end.
    """
    assert len(filled.ids(query)) == found
    plan = filled.explain(query)
    ran = "\n".join(line for line in plan.splitlines() if "never executed" not in line)
    assert not re.search(r"Seq Scan on (index_\w+|resource)\b(?!_).*actual rows=(?!0\.00 )", ran), plan
    figures = re.findall(r" on index_\w+ .*actual rows=([\d.]+)|Removed by Filter: (\d+)", ran)
    assert max((float(given or removed) for given, removed in figures), default=0) <= 10 * found + 110, plan
