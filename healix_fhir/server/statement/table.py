"""Tables of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom.uid import UID


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with these heads."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(one) for one in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|")


YOUNG = {
    "1.2.840.10008.1.2.1.98": "Encapsulated Uncompressed Explicit VR Little Endian",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
}
"""Names that pydicom does not know yet. Spec: PS3.6 Table A-1 (2024d)"""


def name(uid: str) -> str:
    """What a UID of the standard stands for; itself when that is not known."""
    return YOUNG.get(uid) or UID(uid).name.replace("&", "and")


def lines(heading: str, *parts: str) -> str:
    """A section."""
    return "\n\n".join([heading, *(part.strip() for part in parts)]) + "\n"
