"""What a caller was not given is in the trail of the patient concerned, whatever the answer said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from starlette.routing import BaseRoute, Route

from dicomweb.api import routes as dicomweb_api
from dicomweb.non_patient.models import WORDS
from healix_fhir.api import routes as fhir_api
from healix_fhir.interaction.trail.vocabulary import OTHERS, sense
from healix_fhir.model.json import encode
from tests.integration.audit.conftest import FHIR, Clinic, stored
from tests.support.resources import observation
from tests.support.stow import HEADERS, body
from tests.support.workitems import state

Json = dict[str, Any]
Rows = list[tuple[str, str, int, str | None]]
Ask = Callable[[Clinic, httpx.Client], object]
PATCH = {"Content-Type": "application/json-patch+json"}
STEPS = encode([{"op": "replace", "path": "/status", "value": "amended"}])


def bundle(kind: str, *entries: Json) -> bytes:
    """A bundle of requests."""
    return encode({"resourceType": "Bundle", "type": kind, "entry": entries})


def entry(method: str, url: str, **resource: Any) -> Json:
    """An entry of a bundle."""
    return {"request": {"method": method, "url": url}} | resource


DENIED: Mapping[str, tuple[Ask, Rows]] = {
    "read": (lambda c, o: o.get(f"/fhir/Observation/{c.seen}"), [("R", "read", 4, "one")]),
    "read of nothing": (lambda c, o: o.get("/fhir/Observation/none"), [("R", "read", 4, None)]),
    "read by who sees everything": (lambda c, o: c.all.get("/fhir/Observation/none"), []),
    "vread": (lambda c, o: o.get(f"/fhir/Observation/{c.seen}/_history/1"), [("R", "vread", 4, "one")]),
    "history": (lambda c, o: o.get(f"/fhir/Observation/{c.seen}/_history"), [("R", "history-instance", 4, "one")]),
    "update": (
        lambda c, o: o.put(f"/fhir/Observation/{c.seen}", content=mine(c, id=c.seen), headers=FHIR),
        [("U", "update", 4, "one")],
    ),
    "patch": (
        lambda c, o: o.patch(f"/fhir/Observation/{c.seen}", content=STEPS, headers=PATCH),
        [("U", "patch", 4, "one")],
    ),
    "delete": (lambda c, o: o.delete(f"/fhir/Observation/{c.seen}"), [("D", "delete", 4, "one")]),
    "delete of nothing": (lambda c, o: o.delete("/fhir/Observation/none"), [("D", "delete", 4, None)]),
    "create in another's record": (
        lambda c, o: o.post("/fhir/Observation", content=encode(observation(f"Patient/{c.one}")), headers=FHIR),
        [("C", "create", 4, "one")],
    ),
    "$validate": (
        lambda c, o: o.get(f"/fhir/Observation/{c.seen}/$validate"),
        [("E", "$validate", 4, "one")],
    ),
    "entries of a batch": (
        lambda c, o: o.post(
            "/fhir",
            content=bundle(
                "batch",
                entry("GET", f"Observation/{c.seen}"),
                entry("GET", f"Observation/{c.seen}/_history/1"),
                entry("PUT", f"Observation/{c.seen}", resource=observation(f"Patient/{c.two}", id=c.seen)),
                entry("POST", "Observation", resource=observation(f"Patient/{c.one}")),
            ),
            headers=FHIR,
        ),
        [("R", "read", 4, "one"), ("R", "vread", 4, "one"), ("U", "update", 4, "one"), ("C", "create", 4, "one")],
    ),
    "transaction": (
        lambda c, o: o.post(
            "/fhir", content=bundle("transaction", entry("GET", f"Observation/{c.seen}")), headers=FHIR
        ),
        [("E", "transaction", 4, "one")],
    ),
    "transaction that writes": (
        lambda c, o: o.post(
            "/fhir",
            content=bundle("transaction", entry("POST", "Observation", resource=observation(f"Patient/{c.one}"))),
            headers=FHIR,
        ),
        [("E", "transaction", 4, "one")],
    ),
    "WADO-RS": (lambda c, o: o.get(f"/dicomweb/studies/{c.study}"), [("R", "retrieve", 4, "one")]),
    "WADO-RS of metadata": (
        lambda c, o: o.get(f"/dicomweb/studies/{c.study}/series/{c.study}.1/metadata"),
        [("R", "retrieve-metadata", 4, "one")],
    ),
    "WADO-URI": (
        lambda c, o: o.get(
            f"/dicomweb/wado?requestType=WADO&studyUID={c.study}&seriesUID={c.study}.1&objectUID={c.study}.1.1"
        ),
        [("R", "retrieve", 4, "one")],
    ),
    "WADO-RS of a picture": (
        lambda c, o: o.get(f"/dicomweb/studies/{c.study}/rendered"),
        [("R", "retrieve-rendered", 4, "one")],
    ),
    "WADO-RS of nothing": (lambda c, o: o.get("/dicomweb/studies/1.2.3"), [("R", "retrieve", 4, None)]),
}


def mine(clinic: Clinic, **elements: Any) -> bytes:
    """An Observation of the caller's own patient."""
    return encode(observation(f"Patient/{clinic.two}", **elements))


@pytest.mark.parametrize("name", DENIED)
@pytest.mark.spec("FHIR R4 security.html#audit")
def test_a_denial_is_in_the_trail_of_the_patient(clinic: Clinic, name: str) -> None:
    """What may not be seen is recorded as a refusal, for its patient, whether the answer said so or not."""
    do, expected = DENIED[name]
    stored(clinic)
    mark = clinic.last()
    do(clinic, clinic.other)
    people = {"one": clinic.one, "two": clinic.two, None: None}
    told = [tuple(row[:4]) for row in clinic.trail(mark)]
    assert sorted(told, key=str) == sorted(((a, s, o, people[p]) for a, s, o, p in expected), key=str)


def test_an_instance_for_another_record_is_recorded(clinic: Clinic) -> None:
    """STOW-RS into a study that may not be seen is refused in the trail of its patient."""
    stored(clinic)
    mark = clinic.last()
    clinic.other.post("/dicomweb/studies", content=body([b"no image", (clinic.images / "image.dcm").read_bytes()]),
                      headers=HEADERS)  # fmt: skip
    assert ("C", "STOW-RS", 4, clinic.one) in [tuple(row[:4]) for row in clinic.trail(mark)]


PUBLIC = ("/fhir/metadata", "/dicomweb", "/dicomweb/", "/dicomweb/capabilities")
"""Addresses that say the same to everyone."""


def _addresses() -> list[tuple[str, str]]:
    edge: Any = None
    found: list[BaseRoute] = [*fhir_api.routes(edge), *dicomweb_api.routes(edge)]
    return [
        (method, route.path_format)
        for route in found
        if isinstance(route, Route) and route.path not in PUBLIC
        for method in getattr(route.app, "handlers", ())
    ]


PARTS = {
    "type": "Observation", "id": "x", "operation": "validate", "version": "1", "other": "Condition", "rest": "x",
    "study": "1.2.3", "series": "1.2.3.1", "instance": "1.2.3.1.1", "frames": "1", "path": "7FE00010",
    "workitem": "1.2.3", "aetitle": "WATCH", "transaction": "1.2.3", "uid": "1.2.3",
}  # fmt: skip
OBJECT = "?requestType=WADO&studyUID=1.2.3&seriesUID=1.2.3.1&objectUID=1.2.3.1.1"
NO_OPERATION = {("DELETE", f"/fhir/{path}${{operation}}") for path in ("", "{type}/", "{type}/{id}/")} | {
    (method, "/fhir/${operation}") for method in ("GET", "POST")
}
"""$validate is not called so."""
ALIKE = tuple(f"/dicomweb/{word}" for word in WORDS[1:])
"""Addresses of which one more is made as all are."""


@pytest.mark.parametrize(
    ("method", "path"), sorted(one for one in {*_addresses()} - NO_OPERATION if not one[1].startswith(ALIKE))
)
def test_every_address_records_that_it_was_refused(clinic: Clinic, method: str, path: str) -> None:
    """A token that opens nothing there leaves one row at every address, in words that the trail knows."""
    with clinic.server.client("system/Basic.c", client="narrow") as narrow:
        mark = clinic.last()
        content, headers = _body(path, method)
        compartment = "{other}" in path or path.endswith("{id}/_search")
        address = path.format(**PARTS | ({"type": "Patient"} if compartment else {}))
        address += OBJECT if path.endswith("/wado") else ""
        answer = narrow.request(method, address, content=content, headers=headers)
    rows = clinic.trail(mark)
    assert [(row[2], row[4]) for row in rows] == [(4, "narrow")], (answer.status_code, answer.text)
    assert sense(rows[0][1]) is not OTHERS


def _body(path: str, method: str) -> tuple[bytes | None, dict[str, str]]:
    if method in ("GET", "DELETE"):
        return None, {}
    if path.startswith("/dicomweb/workitems"):
        return encode(state("IN PROGRESS")), {"Content-Type": "application/dicom+json"}
    if path.startswith("/dicomweb"):
        return body([b"no image"]), HEADERS
    if path.endswith("_search"):
        return b"", {"Content-Type": "application/x-www-form-urlencoded"}
    if path in ("/fhir", "/fhir/"):
        return bundle("transaction", entry("GET", "Observation/x")), FHIR
    if method == "PATCH":
        return STEPS, PATCH
    return encode(observation("Patient/x", id="x")), FHIR
