"""Attacks by what looks for one patient twice.

Spec: FHIR R4, hl7.org/fhir/R4/patient-operation-match.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support.attacks.attack import Attack

TOLD: tuple[dict[str, Any], ...] = (
    {"identifier": [{"system": "urn:attacks", "value": "<mrn>"}]},
    {"name": [{"family": "<family>", "given": ["<given>"]}]},
    {"birthDate": "<date>", "name": [{"family": "<family>"}]},
    {"telecom": [{"system": "phone", "value": "<phone>"}], "name": [{"family": "<family>", "given": ["<given>"]}]},
)


def duplicates() -> Iterator[Attack]:
    """Descriptions of the hidden patient."""
    for told in TOLD:
        part = {"name": "resource", "resource": {"resourceType": "Patient"} | told}
        asked = {"resourceType": "Parameters", "parameter": [part]}
        yield Attack("POST", "/fhir/Patient/$match", asked, note=next(iter(told)))
    for name in ("merge", "undo-merge"):
        for source, into in (("<patient>", "own"), ("own", "<patient>")):
            named = {"source-patient": source, "target-patient": into}
            parts = [{"name": one, "valueReference": {"reference": f"Patient/{id_}"}} for one, id_ in named.items()]
            asked = {"resourceType": "Parameters", "parameter": parts}
            yield Attack("POST", f"/fhir/Patient/${name}", asked, note=source,
                         beside="it is refused to all who do not see everything")  # fmt: skip


def expunging() -> Iterator[Attack]:
    """Taking out for good what is of the hidden patient, and everything."""
    refused = "it is refused to all who do not see everything"
    yield Attack("POST", "/fhir/Patient/<patient>/$purge", beside=refused)
    flag = {"name": "expungeDeletedResources", "valueBoolean": True}
    asked = {"resourceType": "Parameters", "parameter": [flag]}
    for where in ("", "/Observation", "/Observation/<observation>", "/Patient/<patient>"):
        yield Attack("POST", f"/fhir{where}/$expunge", asked, beside=refused)
