"""Attacks by entries of batches and transactions.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from healix_fhir.model.json import encode
from tests.support.attacks.attack import Attack
from tests.support.attacks.writing import HIDDEN, PATCHES, note, operation

Json = dict[str, Any]
FULL_URL = "urn:uuid:00000000-0000-4000-8000-000000000001"
SECOND = "urn:uuid:00000000-0000-4000-8000-000000000002"
PATCH = {
    "resourceType": "Binary",
    "contentType": "application/json-patch+json",
    "data": base64.b64encode(encode(PATCHES[1][1])).decode(),
}


def entry(method: str, url: str, resource: Json | None = None, **request: str) -> Json:
    """An entry of a bundle."""
    made: Json = {"request": {"method": method, "url": url, **request}}
    return made | ({"resource": resource} if resource is not None else {})


ENTRIES: tuple[Json, ...] = (
    entry("GET", "Observation/<observation>"),
    entry("GET", "Observation/<observation>", ifNoneMatch='W/"1"'),
    entry("GET", "Observation/<observation>/_history/1"),
    entry("GET", "Observation/<observation>/_history"),
    entry("GET", "Observation?code=<code>&_total=accurate"),
    entry("GET", "Patient/<patient>/Observation"),
    entry("GET", "Observation?_id=<kind>-own&_include=Observation:has-member"),
    entry("GET", "Binary/<binary>"),
    entry("PUT", "Observation/<measurement>", note(id="<measurement>")),
    entry("PUT", "Observation/<measurement>", note(id="<measurement>"), ifMatch='W/"1"'),
    entry("PUT", "Observation/<measurement>", note(id="<measurement>"), ifNoneMatch="*"),
    entry("PUT", "Observation?identifier=<measurement>", note()),
    entry("POST", "Observation", note(), ifNoneExist="identifier=<measurement>"),
    entry("POST", "Observation", note(HIDDEN)),
    entry("DELETE", "Observation/<measurement>"),
    entry("DELETE", "Observation?identifier=<measurement>"),
    entry("PATCH", "Observation/<measurement>", PATCH),
    entry(
        "PATCH", "Observation/<measurement>", operation("replace", "Observation.status", value={"valueCode": "amended"})
    ),
    entry("PATCH", "Observation?identifier=<measurement>", PATCH),
    entry("POST", "Observation/$validate", note(hasMember=[{"reference": "Observation/<observation>"}])),
)
REFERRED = (
    "Observation?identifier=<measurement>",
    "Observation?subject:Patient.family=<family>&_id=<observation>",
)


def bundles() -> Iterator[Attack]:
    """Each entry in a batch and in a transaction, alone and beside a write of the caller's own."""
    for one in ENTRIES:
        name = f"{one['request']['method']} {one['request']['url']}"
        name += "".join(f" {key}" for key in one["request"] if key.startswith("if"))
        beside = "profiles are judged without the store" if "$validate" in name else ""
        yield _bundle("batch", one, note=name, beside=beside)
        yield _bundle("transaction", one, note=name, beside=beside)
        yield _bundle("transaction", entry("POST", "Observation", note()), one, note=f"with a create, {name}",
                      beside=beside)  # fmt: skip
    for reference in REFERRED:
        member = entry("POST", "Observation", note(hasMember=[{"reference": reference}]))
        yield _bundle("transaction", member, note=f"a reference by {reference}")
    patient = entry("POST", "Patient", {"resourceType": "Patient"}, ifNoneExist="identifier=<mrn>")
    inside = entry("POST", "Observation", note({"reference": FULL_URL}))
    yield _bundle("transaction", patient | {"fullUrl": FULL_URL}, inside | {"fullUrl": SECOND},
                  note="an Observation of the patient that a conditional create finds")  # fmt: skip


def _bundle(kind: str, *entries: Json, note: str, beside: str = "") -> Attack:
    body = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
    return Attack("POST", "/fhir", body, changes=True, note=f"{kind}: {note}", beside=beside)
