"""Where the images of a study are retrieved from, and that the token which showed the study opens them.

The Endpoint is a resource of its own, by which studies are found and which searches include. It is contained in each
study as well: there it is as open as the study, also to a token that names no Endpoint in its scopes.

Spec: SMART Imaging Access 0.1.0, build.fhir.org/ig/argonautproject/smart-imaging/specification.html#finding-studies
"""

from __future__ import annotations

from typing import Any

ID = "wado-rs"
OURS = (f"#{ID}", f"Endpoint/{ID}")
"""The same service, contained and as a resource."""
REQUIRES_TOKEN = "http://fhir.org/argonaut/smart-imaging/StructureDefinition/requires-access-token"  # noqa: S105
CONNECTION = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
PAYLOAD = "http://terminology.hl7.org/CodeSystem/endpoint-payload-type"


def retrievable(study: dict[str, Any], dicomweb: str) -> dict[str, Any]:
    """An ImagingStudy that says where its images are; endpoints that others have added stay."""
    contained = [one for one in study.get("contained", ()) if one.get("id") != ID]
    endpoints = [one for one in study.get("endpoint", ()) if one.get("reference") not in OURS]
    return study | {
        "contained": [wado_endpoint(dicomweb), *contained],
        "endpoint": [*({"reference": one} for one in OURS), *endpoints],
    }


def wado_endpoint(address: str) -> dict[str, Any]:
    """The WADO-RS service at `address`, the base URL to which `/studies/{UID}` is added."""
    return {
        "resourceType": "Endpoint",
        "id": ID,
        "extension": [{"url": REQUIRES_TOKEN, "valueBoolean": True}],
        "status": "active",
        "name": "DICOMweb",
        "connectionType": {"system": CONNECTION, "code": "dicom-wado-rs"},
        "payloadType": [{"coding": [{"system": PAYLOAD, "code": "any"}]}],
        "payloadMimeType": ["application/dicom"],
        "address": address,
    }
