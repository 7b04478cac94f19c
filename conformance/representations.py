"""Checks of XML, `_format` and $validate. Spec: FHIR R4 (4.0.1), hl7.org/fhir/R4/xml.html, http.html#mime-type"""

from __future__ import annotations

import json
from typing import Any

from conformance.check import Check, expect
from conformance.target import Answer, Target

JSON = {"Content-Type": "application/fhir+json"}
XML = {"Content-Type": "application/fhir+xml"}
PATIENT = b"""<Patient xmlns="http://hl7.org/fhir"><extension url="urn:healix:conformance"><valueDecimal value="1.50"/>
</extension><name><family value="Conformance"/></name><birthDate value="1980-02"/></Patient>"""


def _path(made: Answer) -> str:
    expect(made.status == 201, f"create answered {made.status}")
    return "/fhir" + made.headers.get("location", "").partition("/_history/")[0].rpartition("/fhir")[2]


def xml(target: Target) -> None:
    """What is sent in XML comes back in JSON and in XML, its decimals with their digits."""
    path = _path(target.ask("POST", "/fhir/Patient", PATIENT, XML))
    read = target.ask("GET", path, headers={"Accept": "application/fhir+json"})
    found = read.json() or {}
    expect((found.get("birthDate"), found.get("name")) == ("1980-02", [{"family": "Conformance"}]), "JSON differs")
    expect(b"1.50" in read.body, "JSON has lost a digit of a decimal")
    for query, headers in (("", {"Accept": "application/fhir+xml"}), ("?_format=xml", {})):
        shown = target.ask("GET", path + query, headers=headers)
        kind = shown.headers.get("content-type", "")
        expect(kind.startswith("application/fhir+xml"), f"XML was asked for, {kind or 'nothing'} came")
        expect(b'value="1.50"' in shown.body, "XML has lost a digit of a decimal")


def refused_in_xml(target: Target) -> None:
    """A refusal is written in the format that the client asked for."""
    answer = target.ask("GET", "/fhir/Patient/conformance-is-not-there", headers={"Accept": "application/fhir+xml"})
    expect(answer.status == 404, f"a missing resource answered {answer.status}")
    expect(b"<OperationOutcome" in answer.body, "the refusal is no OperationOutcome in XML")


def validate(target: Target) -> None:
    """$validate tells of every error with its place, and stores nothing."""

    def issues(resource: dict[str, Any]) -> list[dict[str, Any]]:
        answer = target.ask("POST", "/fhir/Patient/$validate", json.dumps(resource).encode(), JSON)
        expect(answer.status == 200, f"$validate answered {answer.status}")
        return [one for one in (answer.json() or {}).get("issue", []) if one["severity"] in ("fatal", "error")]

    expect(issues({"resourceType": "Patient"}) == [], "a valid resource has errors")
    found = issues({"resourceType": "Patient", "gender": "unheard-of", "birthDate": "1980-02-31"})
    places = {place for issue in found for place in issue.get("expression", [])}
    expect({"Patient.gender", "Patient.birthDate"} <= places, f"the errors are said to be at {sorted(places)}")


CHECKS = (
    Check("FHIR R4 xml.html", "XML and JSON hold the same", xml),
    Check("FHIR R4 http.html#mime-type", "refusals in the format asked for", refused_in_xml),
    Check("FHIR R4 resource-operation-validate.html", "$validate tells of every error", validate),
)
