"""Whether data sets meet Table CC.2.5-3: when an item is created, when it is changed, before it ends; pure.

Spec: PS3.4 CC.2.5.1, CC.2.6 and Table CC.2.5-3 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dicomweb.dicomjson import dictionary
from dicomweb.dicomjson.reading import DataSet
from dicomweb.workitem.attributes import (
    ATTRIBUTES,
    BY_TAG,
    DEFAULT_LABEL,
    ENUMERATED,
    FINAL_ITEMS,
    LABEL,
    OUTPUT_INFORMATION,
    PERFORMED,
    PROGRESS,
    PUSH,
    STATE,
    TRANSACTION_UID,
    Create,
    Final,
    Set,
)
from dicomweb.workitem.content import values
from dicomweb.workitem.states import INCONSISTENT, State
from dicomweb.workitem.status import Failure, RefusedError
from healix_fhir.kernel.errors import HealixError, invalid

CHARACTER_SET = {"vr": "CS", "Value": ["ISO_IR 192"]}
COMMAND = ("0000", "0002")
"""Groups that belong to messages and files, not to data sets."""
IN_FINAL = {State.COMPLETED: (Final.ALWAYS, Final.COMPLETED), State.CANCELED: (Final.ALWAYS, Final.CANCELED)}


def created(uid: str, given: DataSet) -> tuple[DataSet, bool]:
    """The data set of a new item from what its sender gave, and whether more was added than the server must.

    Attributes that must be there, but may be empty, are added where they are missing. Raises Invalid, RefusedError.
    """
    dataset = without_command(given)
    if values(dataset.pop(TRANSACTION_UID, None)):
        raise invalid("TransactionUID must be empty: a new workitem is not claimed by anyone", code="business-rule")
    if (state := values(dataset.get(STATE))) and state != [State.SCHEDULED]:
        raise RefusedError(Failure.NOT_SCHEDULED, "ProcedureStepState of a new workitem must be SCHEDULED")
    added = {}
    for row in ATTRIBUTES:
        member = dataset.get(row.tag)
        if row.create is Create.VALUE and not values(member):
            raise _required(row.keyword, is_there=member is not None)
        if row.create is Create.EMPTY and values(member):
            raise invalid(f"{row.keyword} of a new workitem must be empty", code="business-rule")
        if member is None and row.create in (Create.PRESENT, Create.EMPTY):
            added[row.tag] = {"vr": row.vr}
    _enumerated(dataset)
    if not values(dataset.get(LABEL)):
        dataset[LABEL] = {"vr": "LO", "Value": [DEFAULT_LABEL]}
    named = {"00080016": {"vr": "UI", "Value": [PUSH]}, "00080018": {"vr": "UI", "Value": [uid]}}
    for tag, member in named.items():
        if values(dataset.get(tag)) not in ([], member["Value"]):
            raise invalid(f"{BY_TAG[tag].keyword} is another than that of the request", code="value")
    return dataset | added | named | {"00080005": CHARACTER_SET}, bool(added)


def changed(present: DataSet, given: DataSet) -> DataSet:
    """An item's data set with the changes of a request. Raises Invalid for what cannot be changed or emptied.

    What a request repeats as it is, is no change: clients send back what they have retrieved.
    """
    changes = without_command(given)
    changes.pop(TRANSACTION_UID, None)
    changes.pop("00080005", None)
    for tag, member in list(changes.items()):
        row = BY_TAG.get(tag)
        if row is None:
            continue
        if row.set is Set.NEVER:
            if member.get("Value") != present.get(tag, {}).get("Value"):
                raise invalid(f"{row.keyword} cannot be changed", code="business-rule")
            del changes[tag]
        elif row.set is Set.VALUE and not values(member) and values(present.get(tag)):
            raise _required(row.keyword, is_there=True)
    _enumerated(changes)
    return present | changes


def lacking(dataset: DataSet, state: State) -> list[str]:
    """What an item must have before it may end in `state`, and has not, by keyword."""
    return list(_lacking(dataset, IN_FINAL[state], state))


def _lacking(dataset: DataSet, needed: tuple[Final, ...], state: State) -> Iterator[str]:
    for row in ATTRIBUTES:
        if row.final in needed and not values(dataset.get(row.tag)):
            yield row.keyword
    for sequence, members in FINAL_ITEMS.items():
        for item in values(dataset.get(sequence)):
            for tag, final in members.items():
                if final in needed and not values(item.get(tag)):
                    yield f"{BY_TAG[sequence].keyword}.{dictionary.keyword(int(tag, 16))}"
            if sequence == PERFORMED and state is State.COMPLETED and OUTPUT_INFORMATION not in item:
                yield f"{BY_TAG[sequence].keyword}.OutputInformationSequence"


def require_final(dataset: DataSet, state: State) -> None:
    """Refuse to end an item that lacks something."""
    if missing := lacking(dataset, state):
        message = f"before the workitem can be {state} it needs a value of {', '.join(missing)}"
        raise RefusedError(Failure.FINAL_STATE_NOT_MET, message, INCONSISTENT)


def canceled(dataset: DataSet, now: str, reason: Mapping[str, Any] | None = None) -> DataSet:
    """A data set with what the server adds when an item is canceled: when, and a reason where none is given.

    `reason` has what a request for cancellation says. Spec: PS3.4 CC.2.5.1.3.2, note, and (0040,4052) in the table
    """
    items = [dict(item) for item in values(dataset.get(PROGRESS))] or [{}]
    progress = items[0] | {tag: member for tag, member in (reason or {}).items() if tag in TELLS_WHY}
    if not values(progress.get("00404052")):
        progress["00404052"] = {"vr": "DT", "Value": [now]}
    if not values(progress.get("0074100E")):
        progress["0074100E"] = {"vr": "SQ", "Value": [UNSPECIFIED]}
    items[0] = dict(sorted(progress.items()))
    return dataset | {PROGRESS: {"vr": "SQ", "Value": items}}


TELLS_WHY = ("00741238", "0074100E")
UNSPECIFIED = {
    "00080100": {"vr": "SH", "Value": ["110513"]},
    "00080102": {"vr": "SH", "Value": ["DCM"]},
    "00080104": {"vr": "LO", "Value": ["Discontinued for unspecified reason"]},
}
"""Spec: PS3.16 CID 9300 (2024d)"""


def without_command(given: DataSet) -> DataSet:
    """The data set without the elements of messages and files, which some clients send along."""
    return {tag: member for tag, member in given.items() if not tag.startswith(COMMAND)}


def _enumerated(dataset: DataSet) -> None:
    for tag, allowed in ENUMERATED.items():
        if (found := values(dataset.get(tag))) and (len(found) > 1 or found[0] not in allowed):
            raise invalid(f"{BY_TAG[tag].keyword} must be one of {', '.join(sorted(allowed))}", code="value")


def _required(keyword: str, *, is_there: bool) -> HealixError:
    status = Failure.MISSING_VALUE if is_there else Failure.MISSING_ATTRIBUTE
    return RefusedError(status, f"{keyword} must have a value", code="required")
