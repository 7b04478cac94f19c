"""Consents for tests."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def consent(id_: str, provision: Json | None = None, *, patient: str = "p", **elements: Any) -> Json:
    """An active privacy Consent of a patient."""
    scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
    return {
        "resourceType": "Consent",
        "id": id_,
        "status": "active",
        "scope": {"coding": [scope]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{patient}"},
        "policyRule": policy("OPTIN"),
        **({"provision": provision} if provision is not None else {}),
        **elements,
    }


def policy(code: str) -> Json:
    """The base rule."""
    return {"coding": [{"system": ACT_CODE, "code": code}]}


def deny(*nested: Json, **conditions: Any) -> Json:
    """A provision that denies."""
    return _provision("deny", nested, conditions)


def permit(*nested: Json, **conditions: Any) -> Json:
    """A provision that permits."""
    return _provision("permit", nested, conditions)


def _provision(type_: str, nested: tuple[Json, ...], conditions: Json) -> Json:
    named = {"class_": "class"}
    return {
        "type": type_,
        **{named.get(name, name): value for name, value in conditions.items()},
        **({"provision": list(nested)} if nested else {}),
    }


def actors(*references: str) -> list[Json]:
    """Actors who get the data; `client/ID` names an app."""
    role = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "PRCP"}]}
    return [{"role": role, "reference": _reference(reference)} for reference in references]


def _reference(reference: str) -> Json:
    if reference.startswith("client/"):
        return {"identifier": {"system": "urn:healix:client", "value": reference.removeprefix("client/")}}
    return {"reference": reference}


def classes(*types: str) -> list[Json]:
    """Resource types."""
    return [{"system": "http://hl7.org/fhir/resource-types", "code": type_} for type_ in types]


def actions(*codes: str) -> list[Json]:
    """Actions."""
    system = "http://terminology.hl7.org/CodeSystem/consentaction"
    return [{"coding": [{"system": system, "code": code}]} for code in codes]


def level(code: str) -> Json:
    """A label of confidentiality."""
    return {"system": CONFIDENTIALITY, "code": code}


def sensitivity(code: str) -> Json:
    """A label of sensitivity."""
    return {"system": ACT_CODE, "code": code}


def instances(*references: str) -> list[Json]:
    """Single resources."""
    return [{"meaning": "instance", "reference": {"reference": reference}} for reference in references]
