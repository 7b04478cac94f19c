"""A clinic whose people use apps."""

from __future__ import annotations

import pytest

from healix_fhir.care.relationships import handle
from healix_fhir.kernel.consume import drain
from tests.support.gate import Pool
from tests.support.portal import account
from tests.support.search import Clinic


@pytest.fixture
def people(pool: Pool) -> Clinic:
    """The practitioner d ("dr") cares for the patients p1 ("ada") and p2 ("bob"), not for p3 ("eve")."""
    clinic = Clinic(pool)
    gp = [{"reference": "Practitioner/d"}]
    visit = {"status": "in-progress", "class": {"code": "AMB"}}
    clinic.put(
        {"resourceType": "Patient", "id": "p1", "name": [{"text": "Ada Byron<b>"}], "generalPractitioner": gp},
        {"resourceType": "Patient", "id": "p2", "name": [{"text": "Bob Hale"}], "generalPractitioner": gp},
        {"resourceType": "Patient", "id": "p3", "name": [{"text": "Eve Stone"}]},
        {"resourceType": "Encounter", "id": "e1", "subject": {"reference": "Patient/p1"}, **visit},
        {"resourceType": "Encounter", "id": "e2", "subject": {"reference": "Patient/p2"}, **visit},
    )
    account(pool, "dr", "practitioner", "Practitioner/d")
    account(pool, "ada", "patient", "Patient/p1")
    account(pool, "eve", "patient", "Patient/p3")
    account(pool, "root", "admin")
    with pool.connection() as connection:
        while drain(connection, {"resource": [handle]}):
            pass
    return clinic
