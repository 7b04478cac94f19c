"""`_summary` and `_elements` over the whole API."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.model.json import encode
from tests.support.live_server import LiveServer
from tests.support.resources import observation, organization, patient

FHIR = {"Content-Type": "application/fhir+json"}


@pytest.fixture
def filled(server: LiveServer) -> LiveServer:
    """A patient of an organization with an observation; the patient in two versions."""
    of = {"managingOrganization": {"reference": "Organization/g"}}
    with server.client("system/*.cruds") as client:
        for resource in (
            organization(id="g"),
            patient(id="p", **of),
            patient(id="p", gender="male", **of),
            observation("Patient/p", id="o"),
        ):
            url = f"/fhir/{resource['resourceType']}/{resource['id']}"
            assert client.put(url, content=encode(resource), headers=FHIR).status_code < 300
    return server


def bundle(server: LiveServer, address: str) -> dict[str, Any]:
    """The Bundle at an address."""
    with server.client("system/*.cruds") as client:
        answer = client.get(f"/fhir/{address}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
    return found


def is_part(resource: dict[str, Any]) -> bool:
    """Whether a resource is tagged as a part."""
    return [tag["code"] for tag in resource["meta"].get("tag", ())] == ["SUBSETTED"]


@pytest.mark.spec("FHIR R4 search.html#elements")
@pytest.mark.parametrize(
    ("elements", "match", "included"),
    [
        ("gender", {"gender", "active"}, None),
        ("Patient.gender", {"gender", "active"}, None),
        ("Organization.name", None, {"name", "active"}),
        ("gender,Organization.name", {"gender", "active"}, {"name", "active"}),
        ("id,Organization.id", {"active"}, {"active"}),
    ],
)
def test_elements_of_matches_and_included_resources(
    filled: LiveServer, elements: str, match: set[str] | None, included: set[str] | None
) -> None:
    """Elements without a type are those of the matches; those of a type hold wherever it stands."""
    page = bundle(filled, f"Patient?_include=Patient:organization&_elements={elements}")
    for entry, kept in zip(page["entry"], (match, included), strict=True):
        resource = entry["resource"]
        assert is_part(resource) == (kept is not None)
        if kept is not None:
            assert resource.keys() - {"resourceType", "id", "meta"} <= kept
    assert f"_elements={elements.replace(',', '%2C')}" in page["link"][0]["url"]


@pytest.mark.spec("FHIR R4 search.html#summary")
def test_a_summary_is_of_every_entry_of_searches_and_histories(filled: LiveServer) -> None:
    """Matches, included resources and versions are cut and tagged; the outcome of a search is not."""
    page = bundle(filled, "Patient?_include=Patient:organization&_summary=true&nonsense=1")
    assert [is_part(entry["resource"]) for entry in page["entry"][:2]] == [True, True]
    assert page["entry"][2]["resource"].keys() == {"resourceType", "issue"}
    history = bundle(filled, "Patient/p/_history?_summary=text")
    assert [entry["resource"].keys() for entry in history["entry"]] == [{"resourceType", "id", "meta", "text"}] * 2


@pytest.mark.spec("FHIR R4 search.html#summary")
@pytest.mark.parametrize("address", ["Patient?_summary=count", "Patient/p/_history?_summary=count"])
def test_a_count_is_the_total_alone(filled: LiveServer, address: str) -> None:
    """_summary=count has no entries."""
    page = bundle(filled, address)
    assert (page["total"], "entry" in page) == (2 if "history" in address else 1, False)


@pytest.mark.spec("FHIR R4 search.html#summary")
@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("Patient?_summary=text&_include=Patient:organization", "_summary=text"),
        ("Patient?_include=Patient:organization&_summary=text", "_summary=text"),
        ("Patient?_elements=nothing", "nothing"),
        ("Patient?_summary=true&_elements=name", "exclude each other"),
        ("Patient/p/_history?_elements=nothing", "nothing"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(filled: LiveServer, address: str, part: str) -> None:
    """No search is answered with something else than was asked for."""
    with filled.client("system/*.cruds") as client:
        answer = client.get(f"/fhir/{address}")
    assert (answer.status_code, part in answer.json()["issue"][0]["diagnostics"]) == (400, True)


def test_a_part_does_not_replace_the_whole(filled: LiveServer) -> None:
    """An update with what a summary gave is refused, alone and in a bundle; as a new resource it may be stored."""
    with filled.client("system/*.cruds") as client:
        part = client.get("/fhir/Patient/p?_elements=gender").json()
        refused = client.put("/fhir/Patient/p", content=encode(part), headers=FHIR)
        assert (refused.status_code, "SUBSETTED" in refused.text) == (422, True)
        entry = {"resource": part, "request": {"method": "PUT", "url": "Patient/p"}}
        both = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        assert client.post("/fhir", content=encode(both), headers=FHIR).status_code == 422
        assert client.post("/fhir/Patient", content=encode(part), headers=FHIR).status_code == 201


def test_a_batch_entry_may_ask_for_parts(filled: LiveServer) -> None:
    """A search inside a batch is cut as outside."""
    entry = {"request": {"method": "GET", "url": "Patient?_elements=gender"}}
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    with filled.client("system/*.cruds") as client:
        answer = client.post("/fhir", content=encode(batch), headers=FHIR).json()
    assert is_part(answer["entry"][0]["resource"]["entry"][0]["resource"])


@pytest.mark.spec("FHIR R4 http.html#capabilities")
def test_the_capabilities_have_a_summary(server: LiveServer) -> None:
    """The statement can be had without its long lists."""
    with server.client() as client:
        whole = client.get("/fhir/metadata")
        short = client.get("/fhir/metadata?_summary=true")
    assert len(short.content) < len(whole.content) / 2
    assert is_part(short.json())
