"""How requests about performed procedure steps end.

Spec: PS3.7 Annex C, PS3.4 F.7.2.1.3, F.7.2.2.3 and Table F.7.2-2 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from healix_fhir.kernel.errors import Category, HealixError

OPTIONAL_NOT_SUPPORTED = 0x0001
"""The warning of N-GET that some attributes asked for are none of the SOP class. Spec: PS3.4 Table F.8.2-2 (2024d)"""


class Failure(IntEnum):
    """Why a request was refused."""

    INVALID_ATTRIBUTE_VALUE = 0x0106
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_INSTANCE = 0x0111
    NO_SUCH_INSTANCE = 0x0112
    NO_SUCH_CLASS = 0x0118
    MISSING_ATTRIBUTE = 0x0120
    MISSING_ATTRIBUTE_VALUE = 0x0121
    NOT_AUTHORIZED = 0x0124


NO_LONGER_UPDATED = "Performed Procedure Step Object may no longer be updated"
"""The Error Comment of a change after the final state, whose Error ID is A710H."""
ERROR_ID = 0xA710

_CATEGORY: Mapping[Failure, Category] = {
    Failure.PROCESSING_FAILURE: Category.CONFLICT,
    Failure.DUPLICATE_INSTANCE: Category.CONFLICT,
    Failure.NO_SUCH_INSTANCE: Category.NOT_FOUND,
    Failure.NOT_AUTHORIZED: Category.FORBIDDEN,
}
"""The categories of refusals; all others are invalid requests."""


class RefusedError(HealixError):
    """A request that is refused with a status of its own; `missing` is the tag of the attribute that is not there."""

    def __init__(self, status: Failure, message: str, error_id: int | None = None, missing: str = "") -> None:
        super().__init__(_CATEGORY.get(status, Category.INVALID), message)
        self.status = status
        self.error_id = error_id
        self.missing = missing
