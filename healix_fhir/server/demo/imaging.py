"""The order of the demo's CT, whose images wait to be read.

Spec: FHIR R4, hl7.org/fhir/R4/servicerequest.html
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
PATIENT = "demo-jonas"
ACCESSION = "HX-CT-1"
"""Of the patient, and of the images (ct.py)."""


def order(subject: Json, practitioner: str) -> Json:
    """The ServiceRequest, performed but not reported."""
    return {
        "resourceType": "ServiceRequest",
        "id": "demo-ct-order",
        "identifier": [
            {
                "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]},
                "value": ACCESSION,
            }
        ],
        "status": "completed",
        "intent": "order",
        "priority": "urgent",
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "363679005", "display": "Imaging"}]}],
        "code": {"text": "CT of the head"},
        "orderDetail": [{"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}]}],
        "subject": subject,
        "authoredOn": "2026-03-02",
        "requester": {"reference": f"Practitioner/{practitioner}"},
        "reasonCode": [{"text": "Headache for two weeks, high blood pressure"}],
    }
