"""Storage commitment: what the server takes responsibility for, and what not. Spec: PS3.18 13 and J (2024d)"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from conformance.check import Check, expect
from conformance.imaging.image import SECONDARY_CAPTURE, new_uid
from conformance.imaging.storing import items, stored
from conformance.target import Answer, Target

JSON = {"Content-Type": "application/dicom+json", "Accept": "application/dicom+json"}
COMMITTED, FAILED, REASON, CLASS, INSTANCE = "00081199", "00081198", "00081197", "00081150", "00081155"
NO_SUCH_INSTANCE, CLASS_CONFLICT = 0x0112, 0x0119


def ask(target: Target, uid: str, named: Sequence[tuple[str, str]]) -> Answer:
    """Ask for instances, by class and UID, to be kept."""
    found = [{CLASS: _uid(sop_class), INSTANCE: _uid(instance)} for sop_class, instance in named]
    asked = {COMMITTED: {"vr": "SQ", "Value": found}}
    return target.ask("POST", f"/dicomweb/commitment-requests/{uid}", json.dumps(asked).encode(), JSON)


def _uid(value: str) -> Mapping[str, object]:
    return {"vr": "UI", "Value": [value]}


def told(answer: Answer, tag: str) -> list[str]:
    """The instances in a sequence of the answer."""
    return [str(one[INSTANCE]["Value"][0]) for one in items(answer, tag)]


def committed(target: Target) -> None:
    """What is stored is committed, what is not there fails with its reason, and both are told again when asked."""
    one, missing, uid = stored(target), new_uid(), new_uid()
    first = ask(target, uid, [(SECONDARY_CAPTURE, one.instance), (SECONDARY_CAPTURE, missing)])
    expect(first.status in (200, 202), f"answered {first.status}")
    again = target.ask("GET", f"/dicomweb/commitment-requests/{uid}", headers=JSON)
    for answer in (first, again) if first.status == 200 else ():
        expect(answer.status == 200, f"answered {answer.status}")
        expect(told(answer, COMMITTED) == [one.instance], "what is stored is not committed")
        expect(told(answer, FAILED) == [missing], "what is not there is not told to have failed")
        expect(items(answer, FAILED)[0][REASON]["Value"] == [NO_SUCH_INSTANCE], "not the reason that it is not there")


def of_another_class(target: Target) -> None:
    """An instance of another class than was said fails as a conflict of class and instance."""
    answer = ask(target, new_uid(), [("1.2.840.10008.5.1.4.1.1.2", stored(target).instance)])
    expect([one[REASON]["Value"] for one in items(answer, FAILED)] == [[CLASS_CONFLICT]], "no conflict is told")
    expect(items(answer, COMMITTED) == [], "it is committed")


def used(target: Target) -> None:
    """A Transaction UID that is in use is 409; one that was never used is 404 when its result is asked for."""
    uid, named = new_uid(), [(SECONDARY_CAPTURE, stored(target).instance)]
    expect(ask(target, uid, named).status in (200, 202), "the first one is refused")
    expect(ask(target, uid, named).status == 409, "the second one is not 409")
    expect(target.ask("GET", f"/dicomweb/commitment-requests/{new_uid()}").status == 404, "not 404")


def malformed(target: Target) -> None:
    """A request that names no instance, or under no UID, is 400."""
    expect(ask(target, new_uid(), []).status == 400, "no instance is not refused")
    expect(ask(target, "x", [(SECONDARY_CAPTURE, "1.2.3")]).status == 400, "no UID is not refused")
    expect(ask(target, new_uid(), [(SECONDARY_CAPTURE, "1..3")]).status == 400, "a wrong UID is not refused")


CHECKS = (
    Check("PS3.18 13.4; PS3.18 13.5; PS3.18 J.2", "what is stored is committed, and told again", committed),
    Check("PS3.18 J.2", "a conflict of class and instance is told", of_another_class),
    Check("PS3.18 13.4; PS3.18 13.5", "a Transaction UID is used once", used),
    Check("PS3.18 13.4; PS3.18 J.1", "malformed requests are refused", malformed),
)
