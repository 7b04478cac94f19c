"""Event reports: what subscribers are told of a workitem, or of the server; pure.

Spec: PS3.4 CC.2.4 and Table CC.2.4-1, PS3.18 11.13, PS3.7 Table 10.3-1 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from dicomweb.dicomjson.reading import DataSet
from dicomweb.workitem.attributes import PERFORMERS, PROGRESS, PUSH, READINESS, STATE, STATION
from dicomweb.workitem.content import values

WORKLIST = "1.2.840.10008.5.1.4.34.5"
"""The instance that events about the server itself are of, and that global subscriptions name."""

CANCELLATION = ("00741238", "0074100E", "0074100A", "0074100C")
"""What a request for cancellation may tell: why, the reason as a code, and whom to talk to."""

FILTERED = f"{WORKLIST}.1"
"""The instance that filtered global subscriptions name."""

TOLD = ("00741004", "00741006", "00741008")
"""The parts of Progress Information of which a change is reported."""


class Event(IntEnum):
    """Event Type IDs."""

    STATE = 1
    CANCEL_REQUESTED = 2
    PROGRESS = 3
    SERVER_STATUS = 4
    ASSIGNED = 5


@dataclass(frozen=True, slots=True)
class Report:
    """One report: `content` is the data set that is sent."""

    event: Event
    content: DataSet


def _report(event: Event, uid: str, attributes: Mapping[str, Any]) -> Report:
    command = {
        "00000002": {"vr": "UI", "Value": [PUSH]},
        "00001000": {"vr": "UI", "Value": [uid]},
        "00001002": {"vr": "US", "Value": [int(event)]},
    }
    return Report(event, command | dict(sorted(attributes.items())))


def state_report(uid: str, dataset: DataSet) -> Report:
    """The state of an item and of its input; of a canceled one also why."""
    told = {tag: dataset.get(tag, {"vr": "CS"}) for tag in (STATE, READINESS)}
    for item in values(dataset.get(PROGRESS))[:1]:
        told |= {tag: item[tag] for tag in CANCELLATION[:2] if tag in item}
    return _report(Event.STATE, uid, told)


def cancel_requested(uid: str, requester: str, given: DataSet) -> Report:
    """That `requester` asks for an item to be canceled."""
    told = {tag: given[tag] for tag in CANCELLATION if tag in given}
    return _report(Event.CANCEL_REQUESTED, uid, told | {"00741236": {"vr": "AE", "Value": [requester]}})


def progress_report(uid: str, dataset: DataSet) -> Report:
    """How far an item is."""
    return _report(Event.PROGRESS, uid, {PROGRESS: dataset.get(PROGRESS, {"vr": "SQ"})})


def assigned(uid: str, dataset: DataSet) -> Report:
    """Which station and which people an item is for."""
    told = {tag: dataset[tag] for tag in (STATION, PERFORMERS) if values(dataset.get(tag))}
    performers = values(dataset.get(PERFORMERS))
    codes = [code for one in performers for code in values(one.get("00404009"))]
    organizations = [name for one in performers for name in values(one.get("00404036"))]
    if codes:
        told["00404009"] = {"vr": "SQ", "Value": codes}
    if organizations:
        told["00404036"] = {"vr": "LO", "Value": organizations[:1]}
    return _report(Event.ASSIGNED, uid, told)


def restarted() -> Report:
    """That the server has started again, with its items and subscriptions as they were."""
    told = {"00741242": "RESTARTED", "00741244": "WARM START", "00741246": "WARM START"}
    return _report(Event.SERVER_STATUS, WORKLIST, {tag: {"vr": "CS", "Value": [value]} for tag, value in told.items()})


def of_creation(uid: str, dataset: DataSet) -> list[Report]:
    """What subscribers to the worklist are told of a new item."""
    found = [state_report(uid, dataset)]
    if values(dataset.get(STATION)) or values(dataset.get(PERFORMERS)):
        found.append(assigned(uid, dataset))
    return found


def of_change(uid: str, before: DataSet, after: DataSet) -> list[Report]:
    """What subscribers to an item are told of new content."""
    return list(_of_change(uid, before, after))


def _of_change(uid: str, before: DataSet, after: DataSet) -> Iterator[Report]:
    if any(before.get(tag) != after.get(tag) for tag in (STATE, READINESS)):
        yield state_report(uid, after)
    if any(before.get(tag) != after.get(tag) for tag in (STATION, PERFORMERS)):
        yield assigned(uid, after)
    if _told(before) != _told(after):
        yield progress_report(uid, after)


def _told(dataset: DataSet) -> list[list[Any]]:
    found = ([item.get(tag) for tag in TOLD] for item in values(dataset.get(PROGRESS)))
    return [told for told in found if any(told)]
