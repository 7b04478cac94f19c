"""The brand under which people find this server in their apps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from healix_fhir.model.validate import check
from tests.support.live_server import LiveServer, live_server

NAME = {"system": "urn:ietf:rfc:3986", "value": "https://clinic.example.org"}
CLINIC: dict[str, Any] = {
    "resourceType": "Organization",
    "id": "clinic",
    "active": True,
    "name": "Clinic at the Lake",
    "identifier": [NAME],
    "telecom": [{"system": "url", "value": "https://clinic.example.org"}],
    "address": [{"city": "Lakeside"}],
    "endpoint": [{"reference": "Endpoint/internal"}],
}
PORTAL = "http://hl7.org/fhir/StructureDefinition/organization-portal"


@pytest.fixture
def branded(database_url: str, tmp_path: Path) -> Iterator[LiveServer]:
    """A server whose brand has an identifier."""
    with live_server(database_url, tmp_path / "data", brand=f"{NAME['system']}|{NAME['value']}") as running:
        yield running


def put(server: LiveServer, resource: dict[str, Any]) -> None:
    """Store an Organization."""
    with server.client("system/Organization.cruds") as client:
        assert client.put(f"/fhir/Organization/{resource['id']}", json=resource).is_success


@pytest.mark.spec("SMART App Launch 2.2 brands.html#metadata-in-well-knownsmart-configuration")
def test_the_brand_is_found_by_discovery(branded: LiveServer) -> None:
    """The bundle that discovery names holds the one brand with the identifier, its portal and its endpoint."""
    put(branded, CLINIC)
    put(branded, {**CLINIC, "id": "other", "identifier": [{**NAME, "value": "https://other.example.org"}]})
    smart = httpx.get(f"{branded.url}/fhir/.well-known/smart-configuration").json()
    assert smart["user_access_brand_identifier"] == NAME
    answer = httpx.get(smart["user_access_brand_bundle"], headers={"Origin": "https://any.test"})
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.headers["access-control-allow-origin"] == "*"
    bundle = answer.json()
    check(bundle, "Bundle")
    assert (bundle["type"], bundle["timestamp"][:2]) == ("collection", "20")
    organization, endpoint = (entry["resource"] for entry in bundle["entry"])
    assert (organization["name"], organization["identifier"], organization["telecom"]) == (
        CLINIC["name"], CLINIC["identifier"], CLINIC["telecom"],
    )  # fmt: skip
    assert organization["endpoint"] == [{"reference": f"Endpoint/{endpoint['id']}"}]
    (portal,) = organization["extension"]
    parts = {part["url"]: part for part in portal["extension"]}
    assert portal["url"] == PORTAL
    assert parts["portalUrl"]["valueUrl"] == f"{branded.url}/account/"
    assert parts["portalEndpoint"]["valueReference"] == organization["endpoint"][0]
    assert (endpoint["address"], endpoint["extension"][0]["valueCode"]) == (f"{branded.url}/fhir", "4.0.1")


@pytest.mark.spec("SMART App Launch 2.2 brands.html#caching-brand-bundles")
def test_the_brand_is_cached_by_its_etag(branded: LiveServer) -> None:
    """An unchanged bundle is not sent again; a change of the Organization changes tag and timestamp."""
    put(branded, CLINIC)
    where = f"{branded.url}/.well-known/user-access-brands.json"
    first = httpx.get(where)
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    again = httpx.get(where, headers={"If-None-Match": f'W/"x", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    portal = {"url": PORTAL, "extension": [{"url": "portalName", "valueString": "MyLake"}]}
    put(branded, {**CLINIC, "extension": [portal]})
    changed = httpx.get(where, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.json()["timestamp"] != first.json()["timestamp"]
    (kept,) = changed.json()["entry"][0]["resource"]["extension"]
    assert [part["url"] for part in kept["extension"]] == ["portalName", "portalEndpoint"]


def test_no_brand(branded: LiveServer) -> None:
    """Without an Organization, and with two of the same identifier, there is no brand to show."""
    where = f"{branded.url}/.well-known/user-access-brands.json"
    assert httpx.get(where).status_code == 404
    put(branded, CLINIC)
    assert httpx.get(where).status_code == 200
    put(branded, {**CLINIC, "id": "second"})
    assert httpx.get(where).status_code == 404


def test_a_server_without_a_brand_claims_none(database_url: str, tmp_path: Path) -> None:
    """Without the setting discovery names no brand, and there is none."""
    with live_server(database_url, tmp_path / "data") as server:
        smart = httpx.get(f"{server.url}/fhir/.well-known/smart-configuration").json()
        assert not [name for name in smart if name.startswith("user_access_brand")]
        assert "smart-imaging-access" in smart["capabilities"]
        assert httpx.get(f"{server.url}/.well-known/user-access-brands.json").status_code == 404
