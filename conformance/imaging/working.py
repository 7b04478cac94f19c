"""The worklist: creating workitems, working them off, searching and subscribing. Spec: PS3.18 11 (2024d)"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from typing import Any

from conformance.check import Check, expect
from conformance.imaging.image import new_uid
from conformance.target import Answer, Target

JSON = {"Content-Type": "application/dicom+json", "Accept": "application/dicom+json"}
BASE = "/dicomweb/workitems"
WORKLIST = "1.2.840.10008.5.1.4.34.5"
STATE, TRANSACTION, LABEL = "00741000", "00081195", "00741204"
EMPTY = (
    "00404034:SQ", "00081195:UI", "00404021:SQ", "00400400:LT", "00404026:SQ", "00404027:SQ", "00404025:SQ",
    "00100021:LO", "00100024:SQ", "00101002:SQ", "00100030:DA", "00100040:CS", "00380010:LO", "00380014:SQ",
    "00081080:LO", "00081084:SQ", "00741002:SQ", "00741216:SQ", "00404018:SQ", "00404005:DT", "00404041:CS",
)  # fmt: skip
"""What has to be there and may be empty. Spec: PS3.4 Table CC.2.5-3 (2024d)"""


def item(label: str = "conformance") -> dict[str, Any]:
    """A new workitem."""
    order = {"0020000D": _text("UI", new_uid()), "00080050": _text("SH", "CONF1"), "00401001": _text("SH", "RP1")}
    return {tag: {"vr": vr} for tag, _, vr in (one.partition(":") for one in EMPTY)} | {
        "00741200": _text("CS", "MEDIUM"), LABEL: _text("LO", label), "00741202": _text("LO", "CONF"),
        "00404005": _text("DT", "20240102030405"), "00404041": _text("CS", "READY"), STATE: _text("CS", "SCHEDULED"),
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Conformance^Healix"}]},
        "00100020": _text("LO", "conformance-image"), "0020000D": _text("UI", new_uid()),
        "0040A370": {"vr": "SQ", "Value": [order]},
    }  # fmt: skip


def _text(vr: str, value: str) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}


def send(
    target: Target, method: str, path: str, content: object = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """A request about workitems."""
    body = json.dumps([content]).encode() if content is not None else None
    return target.ask(method, f"{BASE}{path}", body, {**JSON, **(headers or {})})


def made(target: Target) -> str:
    """The UID of a new workitem."""
    uid = new_uid()
    answer = send(target, "POST", f"?{uid}", item())
    expect(answer.status == 201, f"creating answered {answer.status}")
    return uid


def claimed(target: Target, uid: str, transaction: str, state: str = "IN PROGRESS") -> Answer:
    """Ask for another state."""
    return send(target, "PUT", f"/{uid}/state", {STATE: _text("CS", state), TRANSACTION: _text("UI", transaction)})


def warned(answer: Answer, text: str) -> None:
    """The answer has a Warning header with this text."""
    warning = answer.headers.get("warning", "")
    expect(text in warning, f"Warning does not say: {text}")
    expect(re.match(r"299 https?://", warning), "Warning does not name the service")


def created(target: Target) -> None:
    """201 with Location and no body; the same UID again is 409, what lacks a required value 400."""
    uid = new_uid()
    answer = send(target, "POST", f"?{uid}", item())
    expect(answer.status == 201, f"answered {answer.status}")
    expect(answer.headers.get("location", "").endswith(f"/workitems/{uid}"), "Location is not the new workitem")
    expect(answer.body == b"", "a success has a payload")
    expect(send(target, "POST", f"?{uid}", item()).status == 409, "a second one is not 409")
    lacking = item() | {LABEL: {"vr": "LO"}}
    expect(send(target, "POST", f"?{new_uid()}", lacking).status == 400, "one without a label is not 400")


def packed(target: Target) -> None:
    """A payload may be compressed; a coding that is not known is 415."""
    uid = new_uid()
    content = gzip.compress(json.dumps([item("packed")]).encode())
    answer = target.ask("POST", f"{BASE}?{uid}", content, {**JSON, "Content-Encoding": "gzip"})
    expect(answer.status == 201, f"answered {answer.status}")
    (found,) = target.ask("GET", f"{BASE}/{uid}", headers=JSON).json()
    expect(found[LABEL]["Value"] == ["packed"], "it is not what was sent")
    unknown = target.ask("POST", f"{BASE}?{new_uid()}", content, {**JSON, "Content-Encoding": "x-none"})
    expect(unknown.status == 415, "an unknown coding is not 415")


def retrieved(target: Target) -> None:
    """A workitem comes in an array without its Transaction UID, also while it is in progress; a missing one is 404."""
    uid = made(target)
    claimed(target, uid, new_uid())
    answer = send(target, "GET", f"/{uid}")
    expect(answer.status == 200, f"answered {answer.status}")
    (found,) = answer.json()
    expect(TRANSACTION not in found, "the Transaction UID is told")
    expect(found[STATE]["Value"] == ["IN PROGRESS"], "it is not in progress")
    xml = target.ask("GET", f"{BASE}/{uid}?accept=application/dicom%2Bxml")
    expect(xml.headers.get("content-type", "").startswith("application/dicom+xml"), "accept= is not followed")
    expect(send(target, "GET", f"/{new_uid()}").status == 404, "a missing one is not 404")


def updated(target: Target) -> None:
    """What is scheduled is changed by anyone, what is claimed by its owner alone, what has ended by nobody."""
    uid, transaction = made(target), new_uid()
    change = {LABEL: _text("LO", "changed")}
    expect(send(target, "POST", f"/{uid}", change).status == 200, "a scheduled one is not changed")
    empty = send(target, "POST", f"/{uid}", {LABEL: {"vr": "LO"}})
    expect(empty.status == 400, f"a change that takes a required value away is {empty.status}")
    warned(empty, "The submitted request is inconsistent with the current state of the Workitem.")
    unclaimed = send(target, "POST", f"/{uid}?{transaction}", change)
    expect(unclaimed.status == 409, "a Transaction UID for an unclaimed one is not 409")
    warned(unclaimed, "The target URI did not reference a claimed Workitem.")
    claimed(target, uid, transaction)
    for query in ("", f"?{new_uid()}"):
        wrong = send(target, "POST", f"/{uid}{query}", change)
        expect(wrong.status == 400, f"a missing or wrong Transaction UID is {wrong.status}")
        warned(wrong, "The submitted request is inconsistent with the current state of the Workitem.")
    expect(send(target, "POST", f"/{uid}?{transaction}", change).status == 200, "its owner cannot change it")
    expect(claimed(target, uid, transaction, "CANCELED").status == 200, "its owner cannot cancel it")
    expect(send(target, "POST", f"/{uid}?{transaction}", change).status == 400, "a canceled one is not 400")
    expect(send(target, "POST", f"/{new_uid()}", change).status == 404, "a missing one is not 404")


def states(target: Target) -> None:
    """A change of state needs the Transaction UID; the same final state again is granted with a warning."""
    uid, transaction = made(target), new_uid()
    missing = send(target, "PUT", f"/{uid}/state", {STATE: _text("CS", "IN PROGRESS")})
    expect(missing.status == 400, f"without a Transaction UID it is {missing.status}")
    warned(missing, "The Transaction UID is missing.")
    expect(claimed(target, uid, transaction).status == 200, "it cannot be claimed")
    none = claimed(target, uid, transaction, "ELSEWHERE")
    expect(none.status == 400, f"a state that there is not is {none.status}")
    warned(none, "The submitted request is inconsistent with the state of the UPS Instance.")
    wrong = claimed(target, uid, new_uid(), "COMPLETED")
    expect(wrong.status == 400, f"with another Transaction UID it is {wrong.status}")
    warned(wrong, "The Transaction UID is incorrect.")
    unfinished = claimed(target, uid, transaction, "COMPLETED")
    expect(unfinished.status == 409, f"without what was performed it is {unfinished.status}")
    warned(unfinished, "The submitted request is inconsistent with the state of the UPS Instance.")
    expect(claimed(target, uid, transaction, "CANCELED").status == 200, "it cannot be canceled")
    again = claimed(target, uid, transaction, "CANCELED")
    expect(again.status == 200, f"the same again is {again.status}")
    warned(again, "The UPS is already in the requested state of CANCELED.")


def canceled(target: Target) -> None:
    """A request for cancellation is 202; of what is canceled already with a warning; of a missing one 404."""
    uid = made(target)
    expect(send(target, "POST", f"/{uid}/cancelrequest").status == 202, "not 202")
    again = send(target, "POST", f"/{uid}/cancelrequest")
    expect(again.status == 202, f"the same again is {again.status}")
    warned(again, "The UPS is already in the requested state of CANCELED.")
    expect(send(target, "POST", f"/{new_uid()}/cancelrequest").status == 404, "a missing one is not 404")


def searched(target: Target) -> None:
    """Attributes are matched, inside sequences too; what matches has what the table says, and what is asked for."""
    uid = made(target)
    for query in (f"00080018={uid}", f"SOPInstanceUID={uid}&ReferencedRequestSequence.AccessionNumber=CONF1"):
        found = send(target, "GET", f"?{query}&includefield=WorklistLabel").json()
        expect([one["00080018"]["Value"][0] for one in found] == [uid], f"{query} does not find it")
        expect(STATE in found[0] and "00741202" in found[0], "an attribute is missing")
    none = send(target, "GET", f"?SOPInstanceUID={new_uid()}")
    expect((none.status, none.json()) in ((200, []), (204, None)), "no match is neither an empty list nor 204")
    expect(send(target, "GET", "?limit=x").status == 400, "a wrong value is not 400")
    made(target)
    warned(send(target, "GET", "?limit=1"), "additional results that can be requested")


def subscribed(target: Target) -> None:
    """A subscription is 201 with the address of the web socket, ends with 200, and is 404 where there is none."""
    uid, title = made(target), f"CONF{new_uid()[-8:]}"
    path = f"/{uid}/subscribers/{title}"
    answer = send(target, "POST", f"{path}?deletionlock=false")
    expect(answer.status == 201, f"answered {answer.status}")
    expect(answer.headers.get("content-location", "").startswith(("ws://", "wss://")), "no address of a web socket")
    expect(send(target, "DELETE", path).status == 200, "it does not end")
    expect(send(target, "DELETE", path).status == 404, "one that is not there is not 404")
    expect(send(target, "POST", f"/{new_uid()}/subscribers/{title}").status == 404, "a missing workitem is not 404")


def subscribed_to_all(target: Target) -> None:
    """The worklist is subscribed as a whole or by a filter, which must be there, and suspended."""
    title = f"CONF{new_uid()[-8:]}"
    whole, part = f"/{WORKLIST}/subscribers/{title}", f"/{WORKLIST}.1/subscribers/{title}"
    expect(send(target, "POST", f"{whole}/suspend").status == 404, "what is not there cannot be suspended")
    expect(send(target, "POST", part).status == 400, "a filtered one without a filter is not 400")
    expect(send(target, "POST", f"{part}?filter=WorklistLabel=NONE").status == 201, "a filter is refused")
    expect(send(target, "POST", f"{part}/suspend").status == 200, "it cannot be suspended")
    expect(send(target, "POST", whole).status == 201, "the worklist cannot be subscribed")
    expect(send(target, "DELETE", whole).status == 200, "it does not end")


CHECKS = (
    Check("PS3.18 11.4; PS3.18 11.4.3", "a workitem is created once", created),
    Check("PS3.18 11.4.1.3", "payloads may be compressed", packed),
    Check("PS3.18 11.5; PS3.18 11.1.2; PS3.18 11.1.3", "workitems are retrieved without their lock", retrieved),
    Check("PS3.18 11.6; PS3.18 11.6.3", "who may change a workitem, and what others are told", updated),
    Check("PS3.18 11.7; PS3.18 11.7.3", "states change with the Transaction UID", states),
    Check("PS3.18 11.8; PS3.18 11.8.3", "cancellation is asked for", canceled),
    Check("PS3.18 11.9", "workitems are searched", searched),
    Check("PS3.18 11.10; PS3.18 11.11", "workitems are subscribed", subscribed),
    Check("PS3.18 11.10; PS3.18 11.12", "the worklist is subscribed and suspended", subscribed_to_all),
)
