"""Attacks by operations.

Spec: FHIR R4, hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tests.support.attacks.attack import Attack
from tests.support.attacks.duplicates import duplicates, expunging
from tests.support.attacks.graphql import graphql
from tests.support.attacks.records import SENT, parameters, records
from tests.support.attacks.scene import CALLERS
from tests.support.attacks.scheduling import scheduling
from tests.support.attacks.writing import note

Json = dict[str, Any]
PRESCRIBING = "it is refused to all but practitioners before it looks"
SHARED = "terminology is of no patient"


def measured(reading: Mapping[str, str]) -> Json:
    """The Parameters of $ingest-measurements with a reading."""
    types = {"device": "String", "metric": "Code", "time": "DateTime", "value": "String"}
    parts = [{"name": name, f"value{types[name]}": value} for name, value in reading.items()]
    return {"resourceType": "Parameters", "parameter": [{"name": "measurement", "part": parts}]}


def operating() -> Iterator[Attack]:
    """Every operation."""
    referring = note(
        hasMember=[{"reference": "Observation/<observation>"}],
        focus=[{"reference": "Patient/<patient>"}],
        encounter={"reference": "Encounter/<encounter>"},
    )
    yield Attack("POST", "/fhir/Observation/$validate", referring, beside=SENT)
    yield Attack("POST", "/fhir/Observation/$validate", parameters(resource=referring, mode={"valueCode": "update"}),
                 beside=SENT)  # fmt: skip
    yield Attack("POST", "/fhir/Observation/<measurement>/$validate", note(id="<measurement>"), changes=True)
    yield Attack("GET", "/fhir/Observation/<observation>/$validate")
    yield Attack("GET", "/fhir/Observation/<observation>/$validate?mode=delete")
    yield Attack("GET", "/fhir/Patient/<patient>/$validate?mode=profile")
    profile = "http://hl7.org/fhir/StructureDefinition/vitalsigns"
    yield Attack("GET", f"/fhir/Observation/<observation>/$validate?profile={profile}")
    for expression in (
        "Observation.hasMember.resolve().code",
        "Observation.focus.resolve().name.family",
        "Observation.encounter.resolve()",
        "Observation.hasMember.resolve().exists()",
    ):
        asked = parameters(expression={"valueString": expression}, resource=referring)
        yield Attack("POST", "/fhir/$fhirpath", asked, beside=SENT, note=expression)
    yield from _on_code_systems()
    yield from _on_value_sets()
    for device in ("<device>", "Device/<device>", "urn:attacks|<mrn>"):
        reading = {"device": device, "metric": "heart-rate", "time": "2020-01-02T03:04:05Z", "value": "60"}
        yield Attack("POST", "/fhir/$ingest-measurements", measured(reading), changes=True, note=device)
    for operation in ("pairing-code", "unpair"):
        yield Attack("POST", f"/fhir/Device/<device>/${operation}", changes=True)
    yield Attack("GET", "/fhir/$reindex", beside="it is refused to all who do not see everything")
    yield Attack("POST", "/fhir/$reindex", parameters(type={"valueCode": "Observation"}),
                 beside="it is refused to all who do not see everything")  # fmt: skip
    yield Attack("DELETE", "/fhir/$reindex", beside="it is refused to all who do not see everything")
    glass = Attack(
        "POST", "/fhir/Patient/<patient>/$break-glass", parameters(reason={"valueString": "x"}), changes=True
    )
    others = tuple(one for one in CALLERS if one not in ("clinician", "denied clinician"))
    yield replace(glass, callers=others, beside="a clinician may; to all others it is refused before it looks")
    yield Attack("POST", "/fhir/Patient/<patient>/$end-break-glass", beside="it ends what the caller has opened")
    said = parameters(note={"valueString": "seen"})
    for deed in ("acknowledge", "resolve"):
        yield Attack("POST", f"/fhir/DetectedIssue/<detected>/${deed}", said,
                     beside="to a patient it is refused before it looks")  # fmt: skip
    for method in ("GET", "POST"):
        yield Attack(method, "/fhir/CarePlan/<planned>/$alert-rule")
    yield from scheduling()
    yield from _on_subscriptions()
    draft = "/fhir/MedicationRequest/<medication>"
    yield Attack("GET", f"{draft}/$check-order", beside=PRESCRIBING)
    select = parameters(hook={"valueCode": "order-select"})
    yield Attack("POST", f"{draft}/$check-order", select, beside=PRESCRIBING)
    for language in ("", "?language=de"):
        yield Attack("GET", f"{draft}/$print{language}")
    yield Attack("POST", f"{draft}/$print")
    yield Attack("POST", f"{draft}/$sign", changes=True, beside=PRESCRIBING)
    yield Attack("POST", "/fhir/DiagnosticReport/<report>/$sign", changes=True, beside=PRESCRIBING)
    added = parameters(status={"valueCode": "appended"}, addendum={"valueString": "x"})
    yield Attack("POST", "/fhir/DiagnosticReport/<report>/$amend", added, changes=True, beside=PRESCRIBING)
    yield from graphql()
    yield from duplicates()
    yield from expunging()
    yield from records()


def _on_subscriptions() -> Iterator[Attack]:
    one = "/fhir/Subscription/<subscription>"
    for query in ("", "?eventsSinceNumber=1&eventsUntilNumber=9", "?content=full-resource"):
        yield Attack("GET", f"{one}/$events{query}")
    yield Attack("POST", f"{one}/$events", parameters(content={"valueCode": "id-only"}))
    for where in (f"{one}/$status", "/fhir/Subscription/$status?id=<subscription>", "/fhir/Subscription/$status"):
        yield Attack("GET", where)
    yield Attack("POST", "/fhir/Subscription/$status", parameters(id={"valueId": "<subscription>"}))
    yield Attack("GET", f"{one}/$get-ws-binding-token")
    yield Attack("GET", "/subscriptions/<subscription>/events",
                 beside="a stream has no end; tests/integration/subscription/test_live.py holds it")  # fmt: skip
    yield Attack("POST", "/fhir/Subscription/$get-ws-binding-token", parameters(id={"valueId": "<subscription>"}))


def _on_code_systems() -> Iterator[Attack]:
    shared = "code systems are of no patient"
    units = "http://unitsofmeasure.org"  # others are put into the tables by the first who asks, with more statements
    code, system = {"valueCode": "mg"}, {"valueUri": units}
    pair = {"codeA": code, "codeB": code}
    calls = {
        "lookup": (f"system={units}&code=mg", parameters(code=code, system=system)),
        "subsumes": (f"system={units}&codeA=mg&codeB=mg", parameters(system=system, **pair)),
        "validate-code": (f"url={units}&code=mg", parameters(url=system, code=code)),
    }
    for name, (query, sent) in calls.items():
        yield Attack("GET", f"/fhir/CodeSystem/${name}?{query}", beside=shared)
        yield Attack("POST", f"/fhir/CodeSystem/${name}", sent, beside=shared)
        if name != "lookup":
            on_one = f"/fhir/CodeSystem/<patient>/${name}?{query.partition('&')[2]}"
            yield Attack("GET", on_one, beside=shared)
            yield Attack("POST", f"/fhir/CodeSystem/<patient>/${name}", sent, beside=shared)


def _on_value_sets() -> Iterator[Attack]:
    """Operations on value sets and concept maps, which are of no patient."""
    sets, maps = "/fhir/ValueSet", "/fhir/ConceptMap"
    genders = "url=http://hl7.org/fhir/ValueSet/administrative-gender"
    code = "system=http://hl7.org/fhir/administrative-gender&code=<code>"
    for where in (sets, f"{sets}/<patient>"):
        url = genders if where == sets else ""
        yield Attack("GET", f"{where}/$expand?{url}&filter=<display>", beside=SHARED)
        yield Attack("GET", f"{where}/$validate-code?{url}&{code}", beside=SHARED)
    uri = {"valueUri": "http://attacks.test/<uri>"}
    asked = {"code": {"valueCode": "<code>"}, "system": {"valueUri": "urn:attacks"}}
    yield Attack("POST", f"{sets}/$expand", parameters(url=uri), beside=SHARED)
    yield Attack("POST", f"{sets}/$validate-code", parameters(url=uri, **asked), beside=SHARED)
    yield Attack("GET", f"{maps}/$translate?code=<code>&system=urn:attacks&targetsystem=urn:attacks", beside=SHARED)
    coding = {"valueCoding": {"system": "http://hl7.org/fhir/administrative-gender", "code": "<code>"}}
    yield Attack("POST", "/fhir/$closure", parameters(name={"valueString": "<uri>"}, concept=coding), beside=SHARED)
    yield Attack("POST", f"{maps}/$translate", parameters(url=uri, **asked), beside=SHARED)
    yield Attack("GET", f"{maps}/<patient>/$translate?code=<code>&system=urn:attacks", beside=SHARED)
