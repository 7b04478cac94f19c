"""$diff, $convert and $versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.model.patch.fhirpath_patch import apply
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.fhir_server import BASE, SYSTEM, Pool, of_patient, put, serve
from tests.support.operation import run
from tests.support.resources import organization, patient

Params = list[tuple[str, str]]


def call(
    url: str,
    name: str,
    params: Sequence[tuple[str, str]] = (),
    id_: str | None = None,
    body: bytes = b"",
    access: AccessContext = SYSTEM,
) -> Any:
    """The answer on the system level, or on a Patient."""
    asked = Invocation(tuple(params), body, None if id_ is None else "Patient", id_)

    async def use(server: Interactions) -> Any:
        return decode(await run(name, server, access, asked))

    return serve(url, use)


def paths(patch: Any) -> list[str]:
    """What a patch changes."""
    parts = [part for step in patch.get("parameter", ()) for part in step["part"]]
    return [part["valueString"] for part in parts if part["name"] == "path"]


@pytest.fixture
def written(pool: Pool) -> None:
    """A patient in three versions, another one, and an organization."""
    for gender in ("female", "male", "other"):
        put(pool, patient(gender=gender), "p")
    put(pool, patient(gender="unknown"), "q")
    put(pool, organization(), "o")


@pytest.mark.usefixtures("written")
def test_versions_and_resources_are_compared(database_url: str) -> None:
    """By address, by version, or as they are sent: the patch makes the second of the first."""
    assert paths(call(database_url, "diff", id_="p")) == ["Patient.gender"]
    assert paths(call(database_url, "diff", [("fromVersion", "1"), ("toVersion", "1")], "p")) == []
    first = call(database_url, "diff", [("from", "Patient/p/_history/1"), ("to", f"{BASE}/Patient/q")])
    assert apply({"resourceType": "Patient", "gender": "female"}, first)["gender"] == "unknown"
    sent = {"name": "fromResource", "resource": {"resourceType": "Patient", "active": True}}
    body = encode({"resourceType": "Parameters", "parameter": [sent, {"name": "to", "valueUri": "Patient/q"}]})
    assert "Patient" in paths(call(database_url, "diff", body=body))


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    ("params", "id_", "category"),
    [
        ([("from", "Patient/p")], None, Category.INVALID),
        ([("from", "Patient/p"), ("to", "Organization/o")], None, Category.INVALID),
        ([("from", "Patient/p"), ("to", "q")], None, Category.INVALID),
        ([("from", "Patient/p"), ("to", "Patient/none")], None, Category.NOT_FOUND),
        ([("from", "Patient/p"), ("to", "Patient/p/_history/9")], None, Category.NOT_FOUND),
        ([("fromVersion", "1")], None, Category.INVALID),
        ([("from", "Patient/p")], "p", Category.INVALID),
        ([("toVersion", "1")], "p", Category.NOT_FOUND),
        ([], "q", Category.NOT_FOUND),
    ],
)
def test_refusals(database_url: str, params: Params, id_: str | None, category: Category) -> None:
    """What is no comparison is refused."""
    with pytest.raises(HealixError) as refused:
        call(database_url, "diff", params, id_)
    assert refused.value.category is category


@pytest.mark.usefixtures("written")
def test_another_patient_is_not_compared(database_url: str, pool: Pool) -> None:
    """What the caller does not see is not there, on either side."""
    bound = of_patient(pool, "q")
    for params in ([("from", "Patient/p"), ("to", "Patient/q")], [("from", "Patient/q"), ("to", "Patient/p")]):
        with pytest.raises(HealixError) as refused:
            call(database_url, "diff", params, access=bound)
        assert refused.value.category is Category.NOT_FOUND


@pytest.mark.spec("FHIR R4 resource-operation-convert.html")
def test_what_is_converted_comes_back_whole(database_url: str) -> None:
    """The resource, with its digits; what has not the structure of its type is refused."""
    sent = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50}}'
    assert encode(call(database_url, "convert", body=sent)) == sent
    with pytest.raises(HealixError) as refused:
        call(database_url, "convert", body=b'{"resourceType":"Observation"}')
    assert refused.value.category is Category.INVALID


@pytest.mark.spec("FHIR R4 capabilitystatement-operation-versions.html")
def test_the_version(database_url: str) -> None:
    """R4 is the only one, and the default."""
    answer = call(database_url, "versions")
    assert answer["parameter"] == [
        {"name": "version", "valueCode": "4.0"},
        {"name": "default", "valueCode": "4.0"},
    ]
