"""The sub-operations of a C-MOVE or C-GET: how each ended, and what the responses say of them.

Spec: PS3.4 C.4.2 and C.4.3, PS3.7 9.1.3 and 9.1.4 (2024d)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum

from dicomweb.dicomjson.model import Member
from dicomweb.dimse.command import Command, Element, Priority, response
from dicomweb.dimse.identifier import write
from dicomweb.status import FIND_STATUS, SUCCESS
from healix_fhir.kernel.errors import HealixError

FAILED_SOP_INSTANCES = 0x00080058
LONGEST_LIST = 65_000
"""Bytes of the list of failed instances: what the length of a UI holds in explicit VR, about a thousand."""
OUT_OF_RESOURCES = 0xA700
"""What C-FIND tells of a lack of resources."""
MOST = 0xFFFF
"""What a number of sub-operations holds."""


class RetrieveStatus(IntEnum):
    """Statuses of C-MOVE and C-GET. Spec: PS3.4 Tables C.4-2 and C.4-3 (2024d)"""

    SUCCESS = SUCCESS
    CANNOT_COUNT = 0xA701
    CANNOT_SEND = 0xA702
    DESTINATION_UNKNOWN = 0xA801
    DOES_NOT_MATCH = 0xA900
    WARNING = 0xB000
    CANCELLED = 0xFE00
    PENDING = 0xFF00


def refusal(error: HealixError) -> int:
    """The status of a C-MOVE or C-GET that is refused before its first sub-operation: as of a C-FIND, but for a lack of
    resources, of which it is said where.
    """
    status = FIND_STATUS[error.category]
    return RetrieveStatus.CANNOT_COUNT if status == OUT_OF_RESOURCES else status


def priority(request: Command) -> int:
    """That of all sub-operations, which is that of the request. Spec: PS3.4 C.4.2.1.3 and C.4.3.1.2 (2024d)"""
    asked = request.get(Element.Priority)
    return next((one for one in Priority if one == asked), Priority.MEDIUM)


class Outcome(Enum):
    """How a sub-operation ended, as it is counted. Spec: PS3.7 9.1.3.1 and 9.1.4.1 (2024d)"""

    COMPLETED = "completed"
    FAILED = "failed"
    WARNING = "warning"


WARNINGS = frozenset({0x0001, 0x0107, 0x0116})
"""Statuses of warnings outside of Bxxx. Spec: PS3.7 C.4 (2024d)"""


def outcome(status: int) -> Outcome:
    """What a sub-operation with the status of its C-STORE response counts as."""
    if status == SUCCESS:
        return Outcome.COMPLETED
    return Outcome.WARNING if status in WARNINGS or status >> 12 == 0xB else Outcome.FAILED


@dataclass(slots=True)
class Suboperations:
    """The count of sub-operations while they are made; `failed` are the SOP Instance UIDs of those that failed."""

    remaining: int
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)

    def count(self, instance: str, status: int) -> None:
        """One more was made, for the instance with that UID, and ended with that status of C-STORE."""
        self.remaining -= 1
        ended = outcome(status)
        if ended is Outcome.COMPLETED:
            self.completed += 1
        elif ended is Outcome.WARNING:
            self.warning += 1
        else:
            self.failed.append(instance)

    def pending(self, request: Command) -> Command:
        """The response while more are to be made."""
        return self._response(request, RetrieveStatus.PENDING, remaining=True)

    def last(self, request: Command, *, cancelled: bool = False) -> Command:
        """The last response. Spec: PS3.4 C.4.2.3.1 and C.4.3.3.1 (2024d)"""
        if cancelled and self.remaining:
            return self._response(request, RetrieveStatus.CANCELLED, remaining=True)
        return self._response(request, self._status(), remaining=False)

    def identifier(self, TransferSyntaxUID: str) -> bytes | None:  # noqa: N803 - a DICOM keyword
        """The identifier of the last response: the instances that failed, as many as it holds; None without any."""
        listed, size = [], 0
        for uid in self.failed:
            size += len(uid) + 1
            if size > LONGEST_LIST:
                break
            listed.append(uid)
        return write({FAILED_SOP_INSTANCES: Member("UI", listed)}, TransferSyntaxUID) if listed else None

    def _status(self) -> RetrieveStatus:
        if not self.failed and not self.warning:
            return RetrieveStatus.SUCCESS
        return RetrieveStatus.WARNING if self.completed or self.warning else RetrieveStatus.CANNOT_SEND

    def _response(self, request: Command, status: RetrieveStatus, *, remaining: bool) -> Command:
        counts = {
            Element.NumberOfCompletedSuboperations: self.completed,
            Element.NumberOfFailedSuboperations: len(self.failed),
            Element.NumberOfWarningSuboperations: self.warning,
        }
        if remaining:
            counts[Element.NumberOfRemainingSuboperations] = self.remaining
        return {**response(request, status), **{element: min(count, MOST) for element, count in counts.items()}}
