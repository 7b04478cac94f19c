"""Attacks by operations on records: what belongs to a patient, statistics, comparisons, documents.

Spec: FHIR R4, hl7.org/fhir/R4/operationslist.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support.attacks.attack import Attack
from tests.support.attacks.writing import note

Json = dict[str, Any]
SENT = "it works on what is sent with it"


def parameters(**given: Any) -> Json:
    """A Parameters resource."""
    parts = [{"name": name, **({"resource": v} if "resourceType" in v else v)} for name, v in given.items()]
    return {"resourceType": "Parameters", "parameter": parts}


def records() -> Iterator[Attack]:
    """All of them."""
    yield from everything()
    yield from lastn()
    yield from stats()
    yield from meta()
    yield from diff()
    yield from documents()
    yield from progress()
    yield from joining()
    yield message()
    yield Attack("POST", "/fhir/$convert", note(encounter={"reference": "Encounter/<encounter>"}), beside=SENT)
    yield Attack("GET", "/fhir/$versions", beside=SENT)
    yield Attack("POST", "/fhir/$versions", beside=SENT)


def everything() -> Iterator[Attack]:
    """$everything of what is hidden, and of what has nothing to do with it."""
    yield Attack("GET", "/fhir/Patient/<patient>/$everything")
    yield Attack("POST", "/fhir/Patient/<patient>/$everything", parameters(_count={"valueInteger": 2}))
    yield Attack("GET", "/fhir/Patient/<patient>/$everything?_type=Observation&start=2000&_since=2000-01-01T00:00:00Z")
    yield Attack("GET", "/fhir/Encounter/<encounter>/$everything")
    yield Attack("POST", "/fhir/Encounter/<encounter>/$everything")
    yield Attack("GET", "/fhir/Group/<group>/$everything")
    yield Attack("POST", "/fhir/Group/<group>/$everything")
    yield Attack("GET", "/fhir/Patient/$everything?_type=Patient", note="of all patients")
    yield Attack("POST", "/fhir/Patient/$everything", parameters(_type={"valueCode": "Patient"}))
    referred = "Encounter,Basic,Procedure,Specimen,Device,ServiceRequest"
    yield Attack("GET", f"/fhir/Patient/own/$everything?_type={referred}", note="what the caller's own refers to",
                 beside="what is of another patient is left out whoever sees it")  # fmt: skip


def lastn() -> Iterator[Attack]:
    """$lastn by what names the hidden."""
    path = "/fhir/Observation/$lastn"
    yield Attack("GET", f"{path}?patient=<patient>&category=vital-signs")
    yield Attack("GET", f"{path}?subject=Patient/<patient>&code=<code>&max=3")
    yield Attack("GET", f"{path}?subject:identifier=urn:attacks|<mrn>&code=8867-4")
    yield Attack("GET", f"{path}?patient.family=<family>&code=8867-4")
    yield Attack("POST", path, parameters(patient={"valueString": "<patient>"}, code={"valueString": "<code>"}))


def meta() -> Iterator[Attack]:
    """What is in use, and what a hidden resource is marked with."""
    for method in ("GET", "POST"):
        for path in ("Patient/<patient>", "Observation/<observation>", "Patient", ""):
            yield Attack(method, f"/fhir/{path}/$meta".replace("//", "/"))
    mark = parameters(meta={"valueMeta": {"tag": [{"system": "urn:attacks", "code": "<tag>"}]}})
    yield Attack("POST", "/fhir/Observation/<measurement>/$meta-add", mark, changes=True)
    yield Attack("POST", "/fhir/Observation/<measurement>/$meta-delete", mark, changes=True)


def diff() -> Iterator[Attack]:
    """Comparisons with what is hidden."""
    yield Attack("GET", "/fhir/$diff?from=Patient/own&to=Patient/<patient>")
    yield Attack("POST", "/fhir/$diff", parameters(**{"from": {"valueUri": "Patient/<patient>"},
                                                     "to": {"valueUri": "Patient/own"}}))  # fmt: skip
    yield Attack("GET", "/fhir/Observation/<observation>/$diff?fromVersion=1")
    yield Attack("POST", "/fhir/Observation/<observation>/$diff")


def stats() -> Iterator[Attack]:
    """Statistics of the hidden."""
    asked = "/fhir/Observation/$stats?subject=Patient/<patient>&code=8867-4&statistic=total-count&include=true"
    yield Attack("GET", asked)
    yield Attack("POST", asked, parameters(limit={"valueInteger": 5}))
    held = "of days that are summed up, which nobody here has; tests/integration/care/test_daily.py holds it"
    whose = parameters(patient={"valueString": "Patient/<patient>"})
    yield Attack("GET", "/fhir/Observation/$trends?patient=<patient>&metric=heart-rate", beside=held)
    yield Attack("POST", "/fhir/Observation/$trends", whose, beside=held)


def joining() -> Iterator[Attack]:
    """Invitations to records that are not the caller's own, and codes that nobody gave."""
    why = "it asks whose record the account is, and of codes that are unknown"
    yield Attack("POST", "/fhir/CareTeam/$invite", parameters(patient={"valueString": "<patient>"}), beside=why)
    code = {"code": {"valueString": "0000-0000-0000-0000"}, "patient": {"valueString": "<patient>"}}
    yield Attack("POST", "/fhir/CareTeam/$accept", parameters(**code), beside=why)


def progress() -> Iterator[Attack]:
    """How far a hidden goal is reached."""
    yield Attack("GET", "/fhir/Goal/<goal>/$progress")
    yield Attack("POST", "/fhir/Goal/<goal>/$progress")


def documents() -> Iterator[Attack]:
    """Documents of what is hidden, and of the caller's own that refers to it."""
    compositions = "/fhir/Composition"
    yield Attack("GET", f"{compositions}/<composition>/$document")
    yield Attack("POST", f"{compositions}/<composition>/$document", parameters(persist={"valueBoolean": True}))
    yield Attack("GET", f"{compositions}/$document?id=Composition/<composition>")
    yield Attack("POST", f"{compositions}/$document", parameters(id={"valueUri": "Composition/<composition>"}))
    yield Attack("GET", f"{compositions}/<kind>-own/$document", note="the caller's own, which refers to it")
    yield Attack("GET", "/fhir/Patient/<patient>/$summary")
    yield Attack("POST", "/fhir/Patient/<patient>/$summary")
    later = {"Prefer": "respond-async"}
    yield Attack("POST", "/fhir/Patient/<patient>/$report", headers=later, changes=True)
    yield Attack("GET", "/fhir/Patient/$summary?identifier=urn:attacks|<mrn>")
    yield Attack("POST", "/fhir/Patient/$summary", parameters(identifier={"valueString": "urn:attacks|<mrn>"}))


def message() -> Attack:
    """A message about what is hidden."""
    urls = [f"urn:uuid:5b0c6a1e-8f0e-4b54-9d4e-00000000000{n}" for n in range(2)]
    header = {
        "resourceType": "MessageHeader",
        "id": "<observation>",
        "eventCoding": {
            "system": "http://terminology.hl7.org/CodeSystem/message-events",
            "code": "observation-provide",
        },
        "source": {"endpoint": "http://lab.test/fhir"},
        "focus": [{"reference": urls[1]}],
    }
    about = note(subject={"reference": "Patient/<patient>"})
    entries = [{"fullUrl": url, "resource": one} for url, one in zip(urls, (header, about), strict=True)]
    sent = {"resourceType": "Bundle", "type": "message", "entry": entries}
    return Attack(
        "POST",
        "/fhir/$process-message",
        sent,
        beside="it is for who writes every MessageHeader, refused before it looks",
    )
