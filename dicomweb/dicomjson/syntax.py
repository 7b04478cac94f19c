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
ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAMES = "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"

UNREADABLE = frozenset({"1.2.840.113619.5.2", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
"""Syntaxes whose data set is encoded in a way of its own: GE's implicit VR with big endian pixels, JPIP deflated."""
REFERENCED = frozenset({"1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.204"})
"""JPIP: the pixels are elsewhere, at Pixel Data Provider URL."""
VIDEO = frozenset(f"1.2.840.10008.1.2.4.{n}{part}" for n in range(100, 109) for part in ("", ".1"))
"""MPEG-2, H.264 and H.265: one stream of all frames, whose fragments may be cut anywhere. Spec: PS3.5 A.4.5, 8.2.5"""
STANDARD, TRANSFER_SYNTAXES = "1.2.840.10008.", "1.2.840.10008.1.2."
IMAGES = "1.2.840.10008.1.2.4."
FRAMED = frozenset({RLE_LOSSLESS, ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAMES})
"""Other syntaxes whose frames are encapsulated."""


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

    Raises UnsupportedMedia for a UID of the standard that is no transfer syntax, and for one that breaks that rule.
    """
    if TransferSyntaxUID in UNREADABLE:
        raise HealixError(Category.UNSUPPORTED_MEDIA, "this transfer syntax is not supported")
    known = NATIVE.get(TransferSyntaxUID)
    if known is None and TransferSyntaxUID.startswith(STANDARD) and not TransferSyntaxUID.startswith(TRANSFER_SYNTAXES):
        raise HealixError(Category.UNSUPPORTED_MEDIA, "TransferSyntaxUID is not that of a transfer syntax")
    return known or ENCAPSULATED


def is_compressed(TransferSyntaxUID: str) -> bool:  # noqa: N803 - a DICOM keyword
    """Whether the standard says that pixel data is encapsulated in a transfer syntax; of private ones nobody knows.

    Spec: PS3.5 A.4 (2024d)
    """
    if TransferSyntaxUID in REFERENCED:
        return False
    return TransferSyntaxUID in FRAMED or TransferSyntaxUID.startswith(IMAGES)
