"""Attacks by read, version and history.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#read, #vread, #history
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.attacks.attack import Attack
from tests.support.attacks.own import TYPES

CONDITIONS = (
    {"If-None-Match": 'W/"1"'},
    {"If-None-Match": "*"},
    {"If-Modified-Since": "Sat, 01 Jan 2050 00:00:00 GMT"},
    {"If-Match": 'W/"2"'},
)
FORMS = ("_summary=true", "_summary=text", "_summary=data", "_elements=code", "_format=xml", "_pretty=true")
SINCE = (
    "_since=2020-01-01T00:00:00Z",
    "_before=2050-01-01T00:00:00Z",
    "_at=2050-01-01T00:00:00Z",
    "_count=1",
    "_list=<list>",
)


def looking() -> Iterator[Attack]:
    """Every way to look at a resource by its address."""
    for key, type_name in TYPES.items():
        yield Attack("GET", f"/fhir/{type_name}/<{key}>")
    observation = "/fhir/Observation/<observation>"
    yield Attack("HEAD", observation)
    for headers in CONDITIONS:
        yield Attack("GET", observation, headers=headers, note=next(iter(headers)))
    for form in FORMS:
        yield Attack("GET", f"{observation}?{form}")
    for version in ("1", "2", "0"):
        yield Attack("GET", f"{observation}/_history/{version}")
    yield Attack("GET", f"{observation}/_history/x", beside="what is no number is not looked for")
    yield Attack("GET", "/fhir/Binary/<binary>/_history/1", headers={"Accept": "text/plain"})
    yield Attack("GET", "/fhir/Binary/<binary>", headers={"Accept": "text/plain"}, note="as it is")
    yield Attack("GET", "/fhir/Binary/<binary>", headers={"Range": "bytes=0-3"}, note="a range")
    yield Attack("GET", f"{observation}/_history")
    for since in SINCE:
        yield Attack("GET", f"{observation}/_history?{since}")
    yield Attack("GET", "/fhir/Patient/<patient>/_history")
    yield Attack("GET", "/fhir/Observation/_history?_list=<list>")
    yield Attack("GET", "/fhir/_history?_list=<list>")
    yield Attack("GET", "/fhir/AuditEvent/<observation>", beside="an AuditEvent's id is sealed; this is none")
    yield Attack("GET", "/fhir/AuditEvent?patient=<patient>")
    yield Attack("GET", "/fhir/AuditEvent?entity=Observation/<observation>")
    yield Attack("GET", "/fhir/AuditEvent?entity=Patient/<patient>&_summary=count")
    yield Attack("GET", "/fhir/Patient/<patient>/AuditEvent")
