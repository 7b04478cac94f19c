"""What became of a received object."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dicomweb.status import Caution, Reason
from dicomweb.study.receive import Received


class Disposition(Enum):
    """What became of one object."""

    STORED = "stored"
    DUPLICATE = "duplicate"  # the identical object was there already: accepted, nothing changed
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one received object; `reason` and `message` are set when it was refused.

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
    stored = status is Disposition.STORED
    return Outcome(
        received.sop_class,
        received.sop_instance,
        received.study,
        received.series,
        status,
        reason,
        message,
        Caution.COERCION if stored and received.coerced else None,
        received.coerced if stored else None,
    )
