"""Attacks by UPS-RS: search, retrieval and every change of a hidden workitem.

Spec: PS3.18 11 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.attacks.attack import Attack
from tests.support.workitems import members, performed, state, workitem

ITEM = "/dicomweb/workitems/<workitem>"
LIST = "/dicomweb/workitems/1.2.840.10008.5.1.4.34.5"
JSON = {"Content-Type": "application/dicom+json"}
KEYS = (
    "PatientID=<mrn>",
    "PatientName=<family>*",
    "PatientName=<family>&fuzzymatching=true",
    "SOPInstanceUID=<workitem>",
    "SOPInstanceUID=<workitem>&includefield=all",
    "ReferencedRequestSequence.AccessionNumber=<accession>&ReferencedRequestSequence.StudyInstanceUID=<study>",
    "00400400=&00741204=<description>*",
    "StudyInstanceUID=<study>&limit=1&offset=0",
)


def worklist() -> Iterator[Attack]:
    """Every address."""
    for key in KEYS:
        yield Attack("GET", f"/dicomweb/workitems?{key}")
    yield Attack("GET", ITEM)
    yield Attack("HEAD", ITEM)
    yield Attack("GET", ITEM, headers={"Accept": "application/dicom+xml"}, note="as XML")
    yield Attack(
        "POST", "/dicomweb/workitems", [workitem(PatientID="<mrn>")], JSON, changes=True, note="for another patient"
    )
    yield Attack("POST", ITEM, [members(ProcedureStepLabel="changed")], JSON, changes=True)
    yield Attack("POST", f"{ITEM}?1.2.3", [performed()], JSON, changes=True, note="with a Transaction UID")
    yield Attack("PUT", f"{ITEM}/state", [state("IN PROGRESS")], JSON, changes=True)
    yield Attack("PUT", f"{ITEM}/state", [state("SCHEDULED")], JSON, changes=True, note="what can never be")
    for query in ("", "?deletionlock=true"):
        yield Attack("POST", f"{ITEM}/subscribers/SPY{query}", changes=True)
    yield Attack("DELETE", f"{ITEM}/subscribers/SPY", changes=True)
    none = "it names no item, and tells of none"
    later = "what it finds is told over the channel, which looks again at what may be seen"
    yield Attack("POST", f"{LIST}/subscribers/SPY?deletionlock=true", changes=True, beside=none)
    yield Attack("POST", f"{LIST}.1/subscribers/SPY?filter=PatientID=<mrn>", changes=True, beside=later)
    yield Attack("POST", f"{LIST}/subscribers/NOBODY/suspend", changes=True, beside=none)
    yield Attack("GET", "/dicomweb/subscribers/SPY", beside=none)
    yield Attack("POST", f"{ITEM}/cancelrequest", [members(ReasonForCancellation="no")], JSON, changes=True)
