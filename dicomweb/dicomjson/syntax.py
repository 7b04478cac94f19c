"""Transfer syntaxes, as far as the form of a data set depends on them.

Spec: PS3.5 10 and A, PS3.6 A (2024d)
"""

from __future__ import annotations

from dataclasses import dataclass

from healix_fhir.kernel.errors import Category, HealixError

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED_LITTLE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"

UNREADABLE = frozenset({"1.2.840.113619.5.2"})
"""Private syntaxes whose data set is encoded in a way of its own (GE: implicit VR with big endian pixels)."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a data set is encoded."""

    implicit: bool
    little: bool
    deflated: bool
    encapsulated: bool


NATIVE = {
    IMPLICIT_LITTLE: Syntax(implicit=True, little=True, deflated=False, encapsulated=False),
    EXPLICIT_LITTLE: Syntax(implicit=False, little=True, deflated=False, encapsulated=False),
    DEFLATED_LITTLE: Syntax(implicit=False, little=True, deflated=True, encapsulated=False),
    EXPLICIT_BIG: Syntax(implicit=False, little=False, deflated=False, encapsulated=False),
}
ENCAPSULATED = Syntax(implicit=False, little=True, deflated=False, encapsulated=True)


def syntax(TransferSyntaxUID: str) -> Syntax:  # noqa: N803 - a DICOM keyword
    """How data sets of a transfer syntax are encoded: all but four are explicit little endian with encapsulated pixels.

    Raises UnsupportedMedia for a private syntax that is known to break that rule.
    """
    if TransferSyntaxUID in UNREADABLE:
        raise HealixError(Category.UNSUPPORTED_MEDIA, "this private transfer syntax is not supported")
    return NATIVE.get(TransferSyntaxUID, ENCAPSULATED)
