"""A clinic whose patients register."""

from __future__ import annotations

from pathlib import Path

import pytest

from healix_fhir.care.relationships import handle
from healix_fhir.kernel.consume import drain
from tests.support.gate import Pool
from tests.support.mailbox import Mailbox
from tests.support.search import Clinic

MRN = "urn:oid:1.2.3"


@pytest.fixture
def mailbox(database_url: str, tmp_path: Path) -> Mailbox:
    """The mail of the server."""
    return Mailbox(database_url, tmp_path)


@pytest.fixture
def records(pool: Pool) -> Clinic:
    """Ada and Bob with mail addresses, Eve without, twins who share number and birthday, and one who is inactive."""
    clinic = Clinic(pool)
    gp = [{"reference": "Practitioner/d"}]

    def patient(id_: str, number: str, mail: str = "ada@example.org", **more: object) -> dict[str, object]:
        identifier = [{"system": MRN, "value": number}]
        telecom = [{"system": "email", "value": mail}]
        return {
            "resourceType": "Patient", "id": id_, "identifier": identifier, "birthDate": "1990-05-17",
            "telecom": telecom,
        } | more  # fmt: skip

    clinic.put(
        patient("ada", "HX-1", name=[{"text": "Ada Byron"}], generalPractitioner=gp),
        patient("bob", "HX-2", "Bob@Example.org"),
        patient("twin-a", "HX-3"),
        patient("twin-b", "HX-3"),
        patient("cid", "HX-4", active=False),
        patient("dan", "HX-5", birthDate="1990-05"),
        patient("eve", "HX-6", telecom=[{"system": "phone", "value": "+43 1 234"}]),
    )
    with pool.connection() as connection:
        while drain(connection, {"resource": [handle]}):
            pass
    return clinic
