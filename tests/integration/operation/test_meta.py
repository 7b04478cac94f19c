"""$meta, $meta-add, $meta-delete: profiles, tags and labels, read and changed."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.fhir_server import SYSTEM, Pool, of_patient, put, rows, serve, with_scope
from tests.support.operation import run
from tests.support.resources import observation, patient

A, B, C = ({"system": "urn:t", "code": code} for code in "abc")


def call(
    url: str, name: str, type_name: str | None, id_: str | None, meta: Any = None, access: AccessContext = SYSTEM
) -> Any:
    """The meta that comes back."""
    body = (
        b""
        if meta is None
        else encode({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]})
    )

    async def use(server: Interactions) -> Any:
        return decode(await run(name, server, access, Invocation((), body, type_name, id_)))

    (part,) = serve(url, use)["parameter"]
    assert part["name"] == "return"
    return part.get("valueMeta")


@pytest.mark.spec("FHIR R4 resource-operation-meta-add.html")
@pytest.mark.spec("FHIR R4 resource-operation-meta-delete.html")
def test_they_are_sets(pool: Pool, database_url: str) -> None:
    """Nothing is there twice whatever its display, removing what is not there is no error, and nothing else changes."""
    put(pool, patient(meta={"tag": [A], "profile": ["urn:p"]}), "p")
    added = call(
        database_url, "meta-add", "Patient", "p", {"tag": [A | {"display": "x"}, B], "security": [C], "versionId": "9"}
    )
    assert added["tag"] == [A, B]
    assert added["security"] == [C]
    assert (added["profile"], added["versionId"]) == (["urn:p"], "2")
    assert call(database_url, "meta-add", "Patient", "p", {"tag": [B]})["versionId"] == "2"
    removed = call(database_url, "meta-delete", "Patient", "p", {"tag": [A, C], "profile": ["urn:p", "urn:q"]})
    assert {key: removed[key] for key in removed if key not in ("lastUpdated", "source")} == {
        "versionId": "3",
        "tag": [B],
        "security": [C],
    }
    assert call(database_url, "meta", "Patient", "p") == removed


@pytest.mark.spec("FHIR R4 resource-operation-meta.html")
def test_what_is_in_use(pool: Pool, database_url: str) -> None:
    """Of a type and of everything: each once, of what the caller sees."""
    put(pool, patient(meta={"tag": [A, B], "profile": ["urn:p"]}), "p")
    put(pool, patient(meta={"tag": [B]}), "q")
    put(pool, observation("Patient/q", meta={"security": [C]}), "o")
    assert call(database_url, "meta", "Patient", None) == {"profile": ["urn:p"], "tag": [A, B]}
    assert call(database_url, "meta", None, None) == {"profile": ["urn:p"], "security": [C], "tag": [A, B]}
    bound = of_patient(pool, "q")
    assert call(database_url, "meta", None, None, access=bound) == {"security": [C], "tag": [B]}
    assert call(database_url, "meta", "Device", None) is None


def test_who_may_not_write_changes_nothing(pool: Pool, database_url: str) -> None:
    """A reader is refused, and another patient's app finds nothing."""
    put(pool, patient(), "p")
    put(pool, patient(), "q")
    cases = [(with_scope("system/Patient.r"), Category.FORBIDDEN), (of_patient(pool, "q"), Category.NOT_FOUND)]
    for access, category in cases:
        for name in ("meta-add", "meta-delete"):
            with pytest.raises(HealixError) as refused:
                call(database_url, name, "Patient", "p", {"tag": [A]}, access)
            assert refused.value.category is category
    with pytest.raises(HealixError) as refused:
        call(database_url, "meta", "Patient", None, access=with_scope("system/Observation.rs"))
    assert refused.value.category is Category.FORBIDDEN
    assert rows(pool, "SELECT DISTINCT version FROM resource") == [(1,)]
