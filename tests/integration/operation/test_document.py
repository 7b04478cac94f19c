"""$document, and documents that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.model.profile.judge import Extent, judge
from healix_fhir.model.profile.library import Library
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.fhir_server import BASE, SYSTEM, Pool, of_patient, put, rows, serve, with_scope
from tests.support.operation import run
from tests.support.resources import composition, observation, patient, practitioner

Params = Sequence[tuple[str, str]]


@pytest.fixture
def stored(pool: Pool) -> None:
    """Two patients, and Compositions of the first."""
    put(pool, patient(), "p")
    put(pool, patient(), "q")
    put(pool, practitioner(), "d")
    put(pool, observation("Patient/p"), "o")
    put(pool, observation("Patient/q"), "of-q")
    put(pool, composition("Observation/o", f"{BASE}/Observation/o"), "c")
    put(pool, composition("Observation/gone"), "broken")
    put(pool, composition("http://elsewhere.test/fhir/Observation/1"), "far")
    put(pool, composition("Observation/of-q"), "of-two")


def document(url: str, id_: str | None, params: Params = (), access: AccessContext = SYSTEM) -> Any:
    """The answer of $document."""

    async def use(server: Interactions) -> Any:
        return decode(await run("document", server, access, Invocation(tuple(params), b"", "Composition", id_)))

    return serve(url, use)


@pytest.mark.usefixtures("stored")
@pytest.mark.spec("FHIR R4 composition-operation-document.html")
@pytest.mark.parametrize(("id_", "params"), [("c", []), (None, [("id", "Composition/c")]), (None, [("id", "c")])])
def test_a_composition_with_what_it_refers_to(database_url: str, id_: str | None, params: Params) -> None:
    """The Composition first, then each resource once; a document by R4's own rules."""
    made = document(database_url, id_, params)
    assert [entry["fullUrl"] for entry in made["entry"]] == [
        f"{BASE}/{address}" for address in ("Composition/c", "Patient/p", "Practitioner/d", "Observation/o")
    ]
    issues = judge(made, "Bundle", Extent(()), Library(closed=True))
    assert [issue.message for issue in issues if issue.severity == "error"] == []


@pytest.mark.usefixtures("stored")
@pytest.mark.spec("FHIR R4 documents.html")
def test_a_document_that_is_kept_does_not_change(database_url: str, pool: Pool) -> None:
    """With `persist` it is stored; an update that changes it is refused, the same again and a deletion are not."""
    made = document(database_url, "c", [("persist", "true")])
    id_ = made["id"]

    async def update(server: Interactions, **elements: Any) -> Any:
        return await server.update(SYSTEM, "Bundle", id_, encode(made | elements))

    assert not serve(database_url, update).changed
    for elements in ({"timestamp": "2020-01-01T00:00:00Z"}, {"type": "collection"}):
        with pytest.raises(HealixError) as refused:
            serve(database_url, lambda server, elements=elements: update(server, **elements))  # type: ignore[misc]
        assert refused.value.category is Category.CONFLICT
    assert rows(pool, "SELECT version FROM resource WHERE id = %s", id_) == [(1,)]
    assert serve(database_url, lambda server: server.delete(SYSTEM, "Bundle", id_)) is not None


@pytest.mark.spec("FHIR R4 bundle.html#invs")
@pytest.mark.parametrize(
    ("left_out", "named"),
    [("identifier", "bdl-9"), ("timestamp", "bdl-10"), ("entry", "bdl-11"), ("fullUrl", "fullUrl")],
)
def test_what_is_no_document_is_not_kept(database_url: str, left_out: str, named: str) -> None:
    """A Bundle of that type needs identifier, timestamp and a Composition that leads it."""
    entry = {"fullUrl": f"{BASE}/Composition/c", "resource": composition("Observation/o")}
    whole: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:0f1d8b4e-0c5e-4f3a-9a51-2b6d6d0f9f10"},
        "timestamp": "2024-01-01T00:00:00Z",
        "entry": [{key: value for key, value in entry.items() if key != left_out}],
    }
    body = encode({key: value for key, value in whole.items() if key != left_out})
    with pytest.raises(HealixError) as refused:
        serve(database_url, lambda server: server.create(SYSTEM, "Bundle", body))
    assert refused.value.category is Category.UNPROCESSABLE
    assert named in refused.value.message


@pytest.mark.usefixtures("stored")
def test_half_a_document_is_none(database_url: str, pool: Pool) -> None:
    """What is not there, not for the caller, or elsewhere, is named, and there is no document."""
    bound = of_patient(pool, "p", "patient/*.cruds user/Practitioner.r")
    for id_, access in (("broken", SYSTEM), ("of-two", bound)):
        with pytest.raises(HealixError) as refused:
            document(database_url, id_, access=access)
        assert refused.value.category is Category.UNPROCESSABLE
        assert "which is not there" in refused.value.message
    with pytest.raises(HealixError) as refused:
        document(database_url, "far")
    assert refused.value.category is Category.UNSUPPORTED


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("id_", "params", "category"),
    [
        ("c", [("graph", "urn:x")], Category.UNSUPPORTED),
        ("c", [("id", "c")], Category.INVALID),
        (None, [], Category.INVALID),
        (None, [("id", "Patient/p")], Category.INVALID),
        (None, [("id", "http://elsewhere.test/fhir/Composition/1")], Category.UNSUPPORTED),
        ("none", [], Category.NOT_FOUND),
    ],
)
def test_refusals(database_url: str, id_: str | None, params: Params, category: Category) -> None:
    """What is no call is refused."""
    with pytest.raises(HealixError) as refused:
        document(database_url, id_, params)
    assert refused.value.category is category


@pytest.mark.usefixtures("stored")
def test_access(database_url: str, pool: Pool) -> None:
    """Another patient's Composition is not there, and who may not create Bundles keeps none."""
    with pytest.raises(HealixError) as refused:
        document(database_url, "c", access=of_patient(pool, "q"))
    assert refused.value.category is Category.NOT_FOUND
    with pytest.raises(HealixError) as refused:
        document(database_url, "c", [("persist", "true")], access=with_scope("system/*.rs"))
    assert refused.value.category is Category.FORBIDDEN
