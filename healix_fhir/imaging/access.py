"""Where the images of a study are retrieved from, that the token which showed the study opens them, and a link that
shows them to people.

The Endpoint is a resource of its own, by which studies are found and which searches include. It is contained in each
study as well: there it is as open as the study, also to a token that names no Endpoint in its scopes.

Spec: IHE RAD TF-2 4.106 Invoke Image Display
Spec: SMART Imaging Access 0.1.0, build.fhir.org/ig/argonautproject/smart-imaging/specification.html#finding-studies
"""

from __future__ import annotations

from typing import Any

ID, DISPLAY = "wado-rs", "image-display"
OURS = (f"#{ID}", f"Endpoint/{ID}")
"""The same service, contained and as a resource."""
INVOKE = "/ohif/IHEInvokeImageDisplay"
"""Where the installed viewer is asked to show a study."""
REQUIRES_TOKEN = "http://fhir.org/argonaut/smart-imaging/StructureDefinition/requires-access-token"  # noqa: S105
CONNECTION = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
PAYLOAD = "http://terminology.hl7.org/CodeSystem/endpoint-payload-type"


def retrievable(study: dict[str, Any], dicomweb: str, *displays: dict[str, Any]) -> dict[str, Any]:
    """An ImagingStudy that says where its images are, and what displays them; endpoints that others have added stay."""
    contained = [one for one in study.get("contained", ()) if one.get("id") not in (ID, DISPLAY)]
    ours = *OURS, f"#{DISPLAY}"
    endpoints = [one for one in study.get("endpoint", ()) if one.get("reference") not in ours]
    return study | {
        "contained": [wado_endpoint(dicomweb), *displays, *contained],
        "endpoint": [*({"reference": one} for one in (ours if displays else OURS)), *endpoints],
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


def display_endpoint(root: str, study_uid: str) -> dict[str, Any]:
    """The link that shows a study in the viewer of the server at `root`, after a login, to whoever may see it."""
    return {
        "resourceType": "Endpoint",
        "id": DISPLAY,
        "status": "active",
        "connectionType": {"system": CONNECTION, "code": "ihe-iid"},
        "payloadType": [{"coding": [{"system": PAYLOAD, "code": "any"}]}],
        "payloadMimeType": ["text/html"],
        "address": f"{root}{INVOKE}?requestType=STUDY&studyUID={study_uid}",
    }
