"""How refusals of what is asked of workitems are told over DIMSE.

A refusal for the state of an item, or of a subscription, has its status (dicomweb/workitem/status.py). All others are
those of the N-services in general, by their category.

Spec: PS3.7 10.1.2.1.9, 10.1.3.1.9, 10.1.4.1.10, 10.1.5.1.6 and Annex C (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from dicomweb.dimse.command import CommandField
from dicomweb.workitem.status import Failure, RefusedError
from healix_fhir.kernel.errors import Category, HealixError


class ServiceStatus(IntEnum):
    """Statuses of the N-services that are not of workitems alone."""

    INVALID_ATTRIBUTE_VALUE = 0x0106
    PROCESSING_FAILURE = 0x0110
    NO_SUCH_ARGUMENT = 0x0114
    INVALID_ARGUMENT_VALUE = 0x0115
    INVALID_SOP_INSTANCE = 0x0117
    NO_SUCH_SOP_CLASS = 0x0118
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORIZED = 0x0124
    UNRECOGNIZED_OPERATION = 0x0211
    MISTYPED_ARGUMENT = 0x0212
    RESOURCE_LIMITATION = 0x0213


class NotTakenError(HealixError):
    """A request that is refused for its form, with its status."""

    def __init__(self, status: ServiceStatus | Failure, message: str) -> None:
        super().__init__(Category.INVALID, message)
        self.status = status


STATUS: Mapping[Category, int] = {
    Category.INVALID: ServiceStatus.INVALID_ATTRIBUTE_VALUE,
    Category.UNPROCESSABLE: ServiceStatus.INVALID_ATTRIBUTE_VALUE,
    Category.FORBIDDEN: ServiceStatus.NOT_AUTHORIZED,
    Category.NOT_FOUND: Failure.UNKNOWN_INSTANCE,
    Category.GONE: Failure.UNKNOWN_INSTANCE,
    Category.TOO_LARGE: ServiceStatus.RESOURCE_LIMITATION,
    Category.BUSY: ServiceStatus.RESOURCE_LIMITATION,
    Category.UNAVAILABLE: ServiceStatus.RESOURCE_LIMITATION,
    Category.FULL: ServiceStatus.RESOURCE_LIMITATION,
}
"""The status of what has none of its own; of all other categories 0110H."""


def status_of(error: HealixError, field: CommandField) -> int:
    """The status of a refused request. What N-ACTION is given are arguments, not attributes."""
    if isinstance(error, RefusedError | NotTakenError):
        return error.status
    if field is CommandField.N_ACTION_RQ and error.category in (Category.INVALID, Category.UNPROCESSABLE):
        is_foreign = any(issue.code == "not-supported" for issue in error.issues)
        return ServiceStatus.NO_SUCH_ARGUMENT if is_foreign else ServiceStatus.INVALID_ARGUMENT_VALUE
    return STATUS.get(error.category, ServiceStatus.PROCESSING_FAILURE)
