"""How requests about workitems end: the statuses of the DIMSE services, and what DICOMweb says with them.

Spec: PS3.4 Tables CC.2.1-2, CC.2.2-2, CC.2.3-3, CC.2.5-4, CC.2.6-1 and CC.2.7-1, PS3.7 Annex C; PS3.18 11.4.3 to
11.10.3 (2024d, and for the texts of refused cancellations 2026a)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from healix_fhir.kernel.errors import Category, HealixError


class Success(IntEnum):
    """How a request was granted: 0000H, or a warning."""

    DONE = 0x0000
    OPTIONAL_NOT_SUPPORTED = 0x0001
    CREATED_WITH_MODIFICATIONS = 0xB300
    LOCK_NOT_GRANTED = 0xB301
    ALREADY_CANCELED = 0xB304
    UPDATED_WITH_MODIFICATIONS = 0xB305
    ALREADY_COMPLETED = 0xB306


class Failure(IntEnum):
    """Why a request was refused."""

    DUPLICATE = 0x0111
    MISSING_ATTRIBUTE = 0x0120
    MISSING_VALUE = 0x0121
    NO_LONGER_UPDATED = 0xC300
    WRONG_TRANSACTION = 0xC301
    ALREADY_IN_PROGRESS = 0xC302
    SCHEDULED_BY_CREATION = 0xC303
    FINAL_STATE_NOT_MET = 0xC304
    UNKNOWN_INSTANCE = 0xC307
    UNKNOWN_RECEIVER = 0xC308
    NOT_SCHEDULED = 0xC309
    NOT_IN_PROGRESS = 0xC310
    ALREADY_COMPLETED = 0xC311
    PERFORMER_AWAY = 0xC312
    NOT_APPROPRIATE = 0xC314


WARNINGS: Mapping[Success, str] = {
    Success.OPTIONAL_NOT_SUPPORTED: "Requested optional Attributes are not supported.",
    Success.CREATED_WITH_MODIFICATIONS: "The Workitem was created with modifications.",
    Success.UPDATED_WITH_MODIFICATIONS: "The Workitem was updated with modifications.",
    Success.LOCK_NOT_GRANTED: "Deletion Lock not granted.",
    Success.ALREADY_CANCELED: "The UPS is already in the requested state of CANCELED.",
    Success.ALREADY_COMPLETED: "The UPS is already in the requested state of COMPLETED.",
}
"""The texts of the Warning header of an answer that grants."""

_CATEGORY: Mapping[Failure, Category] = {
    Failure.MISSING_ATTRIBUTE: Category.INVALID,
    Failure.MISSING_VALUE: Category.INVALID,
    Failure.WRONG_TRANSACTION: Category.INVALID,
    Failure.SCHEDULED_BY_CREATION: Category.INVALID,
    Failure.UNKNOWN_RECEIVER: Category.INVALID,
    Failure.NOT_SCHEDULED: Category.INVALID,
    Failure.NOT_APPROPRIATE: Category.INVALID,
    Failure.UNKNOWN_INSTANCE: Category.NOT_FOUND,
}
"""The categories of refusals; all others are conflicts with the state of the item."""


class RefusedError(HealixError):
    """A request that the state of an item does not allow, with its status and the text of the Warning header."""

    def __init__(
        self,
        status: Failure,
        message: str,
        warning: str = "",
        *,
        category: Category | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(category or _CATEGORY.get(status, Category.CONFLICT), message, code=code)
        self.status = status
        self.warning = warning


def missing() -> HealixError:
    """What is not there and, answered alike, what the caller may not see."""
    return RefusedError(Failure.UNKNOWN_INSTANCE, "there is no such workitem")
