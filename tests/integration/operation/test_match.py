"""$match over a database: who is found, for whom, and what the trail says of it."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.fhir_server import SYSTEM, Pool, of_patient, put, rows, serve, with_scope
from tests.support.operation import run

MRN = "urn:mrn"
Json = dict[str, Any]


def patient(number: str, family: str, born: str, *given: str, **more: Any) -> Json:
    """A Patient."""
    name = [{"family": family, "given": list(given)}]
    return {
        "resourceType": "Patient", "identifier": [{"system": MRN, "value": number}], "name": name, "birthDate": born,
    } | more  # fmt: skip


@pytest.fixture
def people(pool: Pool) -> None:
    """Three who are alike, and one who was replaced."""
    put(pool, patient("1", "Byron", "1990-05-17", "Ada", gender="female"), "ada")
    put(pool, patient("2", "Byron", "1990-05-17", "Claire", gender="female"), "claire")
    put(pool, patient("3", "Biron", "1990-05-07", "Ada", gender="female"), "other")
    link = [{"other": {"reference": "Patient/ada"}, "type": "replaced-by"}]
    put(pool, patient("1", "Byron", "1990-05-17", "Ada", active=False, link=link), "old")


def matched(url: str, resource: Json, access: AccessContext = SYSTEM, **more: Json) -> list[tuple[str, str, float]]:
    """Id, grade and score of the matches."""
    parts = [{"name": "resource", "resource": {"resourceType": "Patient"} | resource}]
    parts += [{"name": name, **value} for name, value in more.items()]
    body = encode({"resourceType": "Parameters", "parameter": parts})

    async def call(server: Interactions) -> bytes:
        return await run("match", server, access, Invocation(body=body, type="Patient"))

    bundle = decode(serve(url, call))
    assert (bundle["type"], bundle["total"]) == ("searchset", len(bundle.get("entry", ())))
    return [
        (
            entry["resource"]["id"],
            entry["search"]["extension"][0]["valueCode"],
            float(entry["search"]["score"]),
        )
        for entry in bundle.get("entry", ())
    ]


@pytest.mark.usefixtures("people")
@pytest.mark.spec("FHIR R4 patient-operation-match.html")
def test_matches_in_order(pool: Pool, database_url: str) -> None:
    """The likeliest first, each with score and grade; a replaced record is led to by the one that replaced it."""
    asked = {"name": [{"family": "Byron", "given": ["Ada"]}], "birthDate": "1990-05-17", "gender": "female"}
    found = matched(database_url, asked)
    assert [(id_, grade) for id_, grade, _ in found] == [
        ("ada", "probable"), ("claire", "possible"), ("other", "possible"),
    ]  # fmt: skip
    assert [score for *_, score in found] == sorted((score for *_, score in found), reverse=True)
    audited = rows(pool, "SELECT DISTINCT patient FROM audit_event WHERE subtype = '$match' ORDER BY 1")
    assert audited == [("ada",), ("claire",), ("other",)]
    assert [one[0] for one in matched(database_url, asked, count={"valueInteger": 1})] == ["ada"]
    assert matched(database_url, asked, onlyCertainMatches={"valueBoolean": True}) == []
    whole = asked | {"identifier": [{"system": MRN, "value": "1"}]}
    assert matched(database_url, whole)[0][:2] == ("ada", "certain")
    assert [one[0] for one in matched(database_url, whole, onlyCertainMatches={"valueBoolean": True})] == ["ada"]


@pytest.mark.usefixtures("people")
def test_slips_are_found(database_url: str) -> None:
    """A name that sounds alike, a slip in the date of birth, day and month exchanged: still found."""
    for asked in (
        {"name": [{"family": "Bieron", "given": ["Ada"]}], "birthDate": "1990-05-17"},
        {"name": [{"family": "Byron", "given": ["Ada"]}], "birthDate": "1990-05-07", "gender": "female"},
    ):
        assert "ada" in [id_ for id_, *_ in matched(database_url, asked)]


@pytest.mark.usefixtures("people")
def test_nobody_is_matched_whom_the_caller_may_not_find(pool: Pool, database_url: str) -> None:
    """An app of one patient is answered with that patient at most; without the scope it is refused."""
    asked = {"name": [{"family": "Byron", "given": ["Claire"]}], "birthDate": "1990-05-17", "gender": "female"}
    assert matched(database_url, asked)[0][0] == "claire"
    assert [id_ for id_, *_ in matched(database_url, asked, of_patient(pool, "ada"))] == ["ada"]
    assert matched(database_url, asked, of_patient(pool, "nobody")) == []
    for scope in ("system/Observation.rs", "system/Patient.r"):
        with pytest.raises(HealixError, match="scope"):
            matched(database_url, asked, with_scope(scope))


@pytest.mark.parametrize(
    ("resource", "more", "told"),
    [
        ({"gender": "female"}, {}, "too little"),
        ({"resourceType": "Observation", "status": "final", "code": {"text": "x"}}, {}, "takes a Patient"),
        ({"birthDate": "x"}, {}, "not valid"),
        ({"birthDate": "1990-05-17"}, {"count": {"valueInteger": -1}}, "count"),
    ],
)
def test_what_is_refused(database_url: str, resource: Json, more: Json, told: str) -> None:
    """What is no Patient, or tells too little to find one."""
    with pytest.raises(HealixError, match=told):
        matched(database_url, resource, **more)
