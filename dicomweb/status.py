"""How a category of refusal is told in DIMSE and DICOMweb: total tables, in one place.

Spec: PS3.4 B.2.3, PS3.7 C, PS3.18 8.5 and I.2.2 (2024d)
"""

from __future__ import annotations

from enum import IntEnum
from types import MappingProxyType

from healix_fhir.kernel.errors import Category, HealixError


class Reason(IntEnum):
    """Why an instance was not stored: a C-STORE status and, with the same number, a Failure Reason (0008,1197).

    Spec: PS3.18 Table I.2-2; PS3.4 Table B.2-1; the codes 01xxH are those of PS3.7 Annex C (2024d)
    """

    PROCESSING_FAILURE = 0x0110
    DUPLICATE_INSTANCE = 0x0111
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NOT_AUTHORIZED = 0x0124
    OUT_OF_RESOURCES = 0xA700
    DATA_SET_DOES_NOT_MATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000
    TRANSFER_SYNTAX_NOT_SUPPORTED = 0xC122


class Caution(IntEnum):
    """Why an instance was stored with a warning: a C-STORE status and, with the same number, a Warning Reason
    (0008,1196).

    Spec: PS3.18 Table I.2-1; PS3.4 Table B.2-1 (2024d)
    """

    COERCION = 0xB000
    ELEMENTS_DISCARDED = 0xB006
    DATA_SET_DOES_NOT_MATCH = 0xB007


WHEN: MappingProxyType[Caution, str] = MappingProxyType(
    {
        Caution.COERCION: "attributes were replaced, as the Original Attributes Sequence tells",
        Caution.ELEMENTS_DISCARDED: "another object with this UID was there and is kept (HEALIX_DUPLICATES=keep)",
        Caution.DATA_SET_DOES_NOT_MATCH: "it lacks what its SOP class requires (HEALIX_COMPARE_SOP_CLASSES=true)",
    }
)
"""When an instance is accepted with a warning."""

SUCCESS = 0x0000

REASON: MappingProxyType[Category, Reason] = MappingProxyType(
    {
        Category.INVALID: Reason.CANNOT_UNDERSTAND,
        Category.UNPROCESSABLE: Reason.DATA_SET_DOES_NOT_MATCH,
        Category.UNAUTHENTICATED: Reason.NOT_AUTHORIZED,
        Category.FORBIDDEN: Reason.NOT_AUTHORIZED,
        Category.NOT_FOUND: Reason.PROCESSING_FAILURE,
        Category.GONE: Reason.PROCESSING_FAILURE,
        Category.NOT_ALLOWED: Reason.PROCESSING_FAILURE,
        Category.NOT_ACCEPTABLE: Reason.TRANSFER_SYNTAX_NOT_SUPPORTED,
        Category.UNSUPPORTED_MEDIA: Reason.TRANSFER_SYNTAX_NOT_SUPPORTED,
        Category.CONFLICT: Reason.DUPLICATE_INSTANCE,
        Category.PRECONDITION_FAILED: Reason.PROCESSING_FAILURE,
        Category.UNSUPPORTED: Reason.SOP_CLASS_NOT_SUPPORTED,
        Category.TOO_LARGE: Reason.OUT_OF_RESOURCES,
        Category.BUSY: Reason.OUT_OF_RESOURCES,
        Category.UNAVAILABLE: Reason.OUT_OF_RESOURCES,
        Category.FULL: Reason.OUT_OF_RESOURCES,
        Category.FAULT: Reason.PROCESSING_FAILURE,
    }
)
"""The status of a C-STORE response, and the Failure Reason of a STOW-RS response, for each category."""

FIND_STATUS: MappingProxyType[Category, int] = MappingProxyType(
    {
        Category.INVALID: 0xA900,
        Category.UNPROCESSABLE: 0xA900,
        Category.UNAUTHENTICATED: 0x0124,
        Category.FORBIDDEN: 0x0124,
        Category.NOT_FOUND: 0xC000,
        Category.GONE: 0xC000,
        Category.NOT_ALLOWED: 0xC000,
        Category.NOT_ACCEPTABLE: 0xC000,
        Category.UNSUPPORTED_MEDIA: 0xC000,
        Category.CONFLICT: 0xC000,
        Category.PRECONDITION_FAILED: 0xC000,
        Category.UNSUPPORTED: 0x0122,
        Category.TOO_LARGE: 0xA700,
        Category.BUSY: 0xA700,
        Category.UNAVAILABLE: 0xA700,
        Category.FULL: 0xA700,
        Category.FAULT: 0xC000,
    }
)
"""The status of a C-FIND, C-MOVE or C-GET response for each category.

Spec: PS3.4 Tables C.4-1 to C.4-3 (2024d)
"""

HTTP: MappingProxyType[Category, int] = MappingProxyType(
    {
        Category.INVALID: 400,
        Category.UNPROCESSABLE: 409,
        Category.UNAUTHENTICATED: 401,
        Category.FORBIDDEN: 403,
        Category.NOT_FOUND: 404,
        Category.GONE: 410,
        Category.NOT_ALLOWED: 405,
        Category.NOT_ACCEPTABLE: 406,
        Category.UNSUPPORTED_MEDIA: 415,
        Category.CONFLICT: 409,
        Category.PRECONDITION_FAILED: 412,
        Category.UNSUPPORTED: 400,
        Category.TOO_LARGE: 413,
        Category.BUSY: 429,
        Category.UNAVAILABLE: 503,
        Category.FULL: 507,
        Category.FAULT: 500,
    }
)
"""The status of a DICOMweb response when a request as a whole is refused.

Spec: PS3.18 Table 8.5-1 (2024d)
"""


def reason(error: HealixError) -> Reason:
    """The code that tells a sender why one instance was refused."""
    return REASON[error.category]
