"""Whether data sets meet Table F.7.2-1: when a performed step is created, changed, and ended; pure.

Spec: PS3.4 F.1.5, F.7.2.1, F.7.2.2 and Table F.7.2-1 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from dicomweb.dicomjson.reading import DataSet
from dicomweb.procedure.content import items, text, values
from dicomweb.procedure.performed.attributes import ATTRIBUTES, BY_PATH, SERIES, STATUS, Attribute
from dicomweb.procedure.performed.status import ERROR_ID, NO_LONGER_UPDATED, Failure, RefusedError
from dicomweb.workitem.requirements import without_command


class State(StrEnum):
    """Performed Procedure Step Status."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


FINAL = frozenset({State.COMPLETED, State.DISCONTINUED})
NOT_OF_STEP = frozenset({"00080005", "00080016", "00080018"})
"""The character set, as text is kept as Unicode (F.7.2.2.3), and the UIDs that the message names."""


def created(given: DataSet) -> DataSet:
    """The data set of a new step. Raises RefusedError."""
    dataset = _own(given)
    _require(dataset, {row.path: row.create for row in ATTRIBUTES})
    if text(dataset, STATUS) != State.IN_PROGRESS:
        raise RefusedError(
            Failure.INVALID_ATTRIBUTE_VALUE, "PerformedProcedureStepStatus of a new step must be IN PROGRESS"
        )
    return dataset


def changed(present: DataSet, given: DataSet) -> tuple[DataSet, State]:
    """A step's data set with the changes of a request, and the state that it is in then. Raises RefusedError.

    What a request repeats as it is, is no change, although the table does not allow it: senders give again what they
    have created. Attributes that were not created may be set.
    """
    if text(present, STATUS) != State.IN_PROGRESS:
        raise RefusedError(Failure.PROCESSING_FAILURE, NO_LONGER_UPDATED, ERROR_ID)
    changes = _own(given)
    for tag in [tag for tag in changes if (row := BY_PATH.get(tag)) is not None and not row.set]:
        if values(changes, tag) != values(present, tag):
            raise RefusedError(Failure.INVALID_ATTRIBUTE_VALUE, f"{BY_PATH[tag].keyword} cannot be changed")
        del changes[tag]
    _require(changes, {row.path: row.set for row in ATTRIBUTES if "." in row.path and row.set})
    dataset = dict(sorted((present | changes).items()))
    state = _state(dataset)
    if state in FINAL:
        _require(dataset, {row.path: row.final or row.create for row in ATTRIBUTES if _ends(row)})
    return dataset, state


def _own(given: DataSet) -> DataSet:
    """What a data set says of the step itself."""
    return {tag: member for tag, member in without_command(given).items() if tag not in NOT_OF_STEP}


def _ends(row: Attribute) -> bool:
    """Whether an attribute must be there in the end."""
    return bool(row.final) or row.path.startswith(f"{SERIES}.")


def _state(dataset: DataSet) -> State:
    written = text(dataset, STATUS)
    if written not in set(State):
        raise RefusedError(
            Failure.INVALID_ATTRIBUTE_VALUE, f"PerformedProcedureStepStatus must be one of {', '.join(State)}"
        )
    return State(written)


def _require(dataset: DataSet, types: Mapping[str, str]) -> None:
    """Refuse a data set in which an attribute of type 1 has no value, or one of type 1 or 2 is not there."""
    for path, type_ in types.items():
        if type_ not in ("1", "2"):
            continue
        for holder in _holders(dataset, path):
            tag = path.rpartition(".")[2]
            if tag not in holder:
                raise RefusedError(Failure.MISSING_ATTRIBUTE, f"{_named(path)} is missing", missing=tag)
            if type_ == "1" and not values(holder, tag):
                raise RefusedError(Failure.MISSING_ATTRIBUTE_VALUE, f"{_named(path)} has no value")


def _holders(dataset: DataSet, path: str) -> Iterator[DataSet]:
    """The data sets in which the attribute at a path stands: the items of its sequence, where it is in one."""
    tag, dot, rest = path.partition(".")
    if not dot:
        yield dataset
        return
    for item in items(dataset, tag):
        yield from _holders(item, rest)


def _named(path: str) -> str:
    parts = path.split(".")
    return ".".join(BY_PATH[".".join(parts[: n + 1])].keyword for n in range(len(parts)))
