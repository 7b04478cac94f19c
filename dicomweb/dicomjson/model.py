"""A data set as a model: what DICOM JSON and the Native DICOM Model both hold, before it is bytes again.

Spec: PS3.18 F.2 (2024d), PS3.19 A.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from healix_fhir.kernel.errors import HealixError, invalid

DEPTH_LIMIT = 64
"""Sequences in sequences, as the tag walker takes them."""


@dataclass(slots=True)
class Member:
    """One attribute: its representation, and its values, its octets, or where its octets are (`uri`).

    `values` are text, numbers, and for SQ data sets; a name is one text with `=` between its component groups. None is
    an empty value.
    """

    vr: str
    values: Sequence[Any] = ()
    octets: bytes | None = None
    uri: str | None = None


Members = dict[int, Member]
"""A data set by tag."""


def text_of(members: Members, tag: int) -> str:
    """The first value as text; empty when there is none."""
    member = members.get(tag)
    found = member.values[0] if member is not None and member.values else None
    return "" if found is None else str(found).strip(" \0")


def number_of(members: Members, tag: int) -> int | None:
    """The first value as a whole number; None when there is none."""
    found = text_of(members, tag)
    return int(found) if found.isdecimal() and found.isascii() and len(found) < 16 else None


def refused(path: str, what: str) -> HealixError:
    """Invalid for the attribute at `path`: tags and item numbers (from 0) with slashes between."""
    return invalid(f"{path}: {what}", code="structure")
