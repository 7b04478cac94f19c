"""What became of a received object."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dicomweb.status import Caution, Reason
from dicomweb.study.receive import Received


class Duplicates(Enum):
    """What happens to an object whose SOPInstanceUID is that of a stored one with other content."""

    REFUSE = "refuse"
    KEEP = "keep"  # the stored one stays
    REPLACE = "replace"  # the stored one makes room, and is kept like a deleted one


class Disposition(Enum):
    """What became of one object."""

    STORED = "stored"
    DUPLICATE = "duplicate"  # the identical object was there already: accepted, nothing changed
    KEPT = "kept"  # another object with its UID was there, which stays: accepted with a warning, nothing changed
    REPLACED = "replaced"  # it took the place of another object with its UID
    REFUSED = "refused"


WITH_ROWS = frozenset({Disposition.STORED, Disposition.REPLACED})
"""Of objects that are stored now."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one received object; `reason` and `message` are set when it was refused, `message` also when it
    does not match its SOP class.

    `caution` is the warning with which it was accepted; `coerced` is as of `Received`.
    """

    sop_class: str
    sop_instance: str
    study: str
    series: str
    status: Disposition
    reason: Reason | None = None
    message: str = ""
    caution: Caution | None = None
    coerced: bytes | None = None


def outcome(received: Received, status: Disposition, reason: Reason | None = None, message: str = "") -> Outcome:
    """The outcome of `received`."""
    stored = status in WITH_ROWS
    return Outcome(
        received.sop_class,
        received.sop_instance,
        received.study,
        received.series,
        status,
        reason,
        message or _told(received, status),
        _caution(received, status),
        received.coerced if stored else None,
    )


def _caution(received: Received, status: Disposition) -> Caution | None:
    if status is Disposition.KEPT:
        return Caution.ELEMENTS_DISCARDED
    if status not in WITH_ROWS:
        return None
    if received.coerced:
        return Caution.COERCION
    return Caution.DATA_SET_DOES_NOT_MATCH if received.lacking else None


def _told(received: Received, status: Disposition) -> str:
    """What an object that was stored all the same lacks."""
    if status not in WITH_ROWS or not received.lacking:
        return ""
    return f"stored without what its SOP class requires: {', '.join(received.lacking)}"
