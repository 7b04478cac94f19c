"""The names of attributes, as they are asked for: a keyword or a tag, private ones with their creator, in sequences.

The canonical name of an attribute is its keyword, or its tag where it has none; a private one is `GGGGxxEE[creator]`,
since the block that a creator reserves differs from object to object. An attribute of a sequence's items is
`Sequence.Attribute`.

Spec: PS3.18 8.3.4.1 and 8.3.4.3 (2024d), PS3.5 7.8.1 (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from dicomweb.dicomjson import dictionary
from dicomweb.index.attributes import ATTRIBUTES
from healix_fhir.kernel.errors import HealixError, invalid

TAG = re.compile(r"[0-9A-Fa-f]{8}")
PRIVATE = re.compile(r"([0-9A-Fa-f]{4})xx([0-9A-Fa-f]{2})\[([^\[\]\\]{1,64})\]")
SHOWN = 64
DEEPEST = 8
"""Sequences in sequences in the name of an attribute."""
Creators = Mapping[str, str]
NONE: Creators = MappingProxyType({})


TAG_OF = {attribute.keyword: attribute.tag for attribute in ATTRIBUTES}
KEYWORD_OF = {tag: keyword for keyword, tag in TAG_OF.items()}
"""Those of the index: the dictionary of the standard takes most of a second to load."""


class Step(NamedTuple):
    """One part of a name. Of a private attribute with its creator `tag` is that of block 00."""

    tag: int
    creator: str = ""

    @property
    def key(self) -> str:
        """The tag as DICOM JSON writes it."""
        return f"{self.tag:08X}"


def is_private(tag: int) -> bool:
    """Whether the tag belongs to no standard: its group is odd."""
    return bool(tag & 0x10000)


def is_creator(name: str) -> bool:
    """Whether a name is the tag of an element that reserves a private block, `GGGG00BB`."""
    return bool(TAG.fullmatch(name)) and is_private(int(name, 16)) and 0x10 <= int(name, 16) & 0xFFFF <= 0xFF


def canonical(name: str, creators: Creators = NONE) -> str:
    """The canonical name of what a caller calls `name`; `creators` are those of private blocks by reserving tags.

    Raises Invalid, naming it, for what is no attribute, and for a private one whose creator is not told.
    """
    parts = _split(name)
    if len(parts) > DEEPEST or ".".join(parts) != name:
        raise unknown(name)
    return ".".join(_part(part, creators) for part in parts)


def is_name(name: str) -> bool:
    """Whether that is the name of an attribute, be it private, and its creator not told."""
    parts = _split(name)
    return len(parts) <= DEEPEST and ".".join(parts) == name and all(_is_part(part) for part in parts)


def is_private_name(name: str) -> bool:
    """Whether that is the name of an attribute with a private one in it."""
    parts = _split(name)
    return is_name(name) and any(
        PRIVATE.fullmatch(part) or (TAG.fullmatch(part) and is_private(int(part, 16))) for part in parts
    )


def _is_part(part: str) -> bool:
    return bool(PRIVATE.fullmatch(part) or TAG.fullmatch(part)) or part in TAG_OF or bool(dictionary.tag(part))


def unknown(name: str) -> HealixError:
    """The refusal of a name."""
    return invalid(f"'{name[:SHOWN]}' is no attribute and no parameter that this server knows", code="not-supported")


@lru_cache(maxsize=4096)
def steps(name: str) -> tuple[Step, ...]:
    """The parts of a canonical name."""
    return tuple(_step(part) for part in _split(name))


def _split(name: str) -> list[str]:
    """The parts of a name at its dots, not at those in the name of a creator."""
    return re.findall(r"(?:[^.\[]|\[[^\]]*\])+", name) or [name]


def _part(part: str, creators: Creators) -> str:
    if found := PRIVATE.fullmatch(part):
        return f"{found[1].upper()}xx{found[2].upper()}[{found[3]}]"
    if TAG.fullmatch(part) is None:
        if part not in TAG_OF and not dictionary.tag(part):
            raise unknown(part)
        return part
    tag = int(part, 16)
    if not is_private(tag):
        return KEYWORD_OF.get(tag) or dictionary.keyword(tag) or f"{tag:08X}"
    creator = creators.get(f"{tag >> 16:04X}00{tag >> 8 & 0xFF:02X}")
    if not creator:
        raise invalid(f"the private attribute {tag:08X} needs its creator, as the value of {tag >> 16:04X}00"
                      f"{tag >> 8 & 0xFF:02X}", code="required")  # fmt: skip
    return f"{tag >> 16:04X}xx{tag & 0xFF:02X}[{creator}]"


def _step(part: str) -> Step:
    if found := PRIVATE.fullmatch(part):
        return Step(int(found[1], 16) << 16 | int(found[2], 16), found[3])
    return Step(int(part, 16) if TAG.fullmatch(part) else TAG_OF.get(part) or dictionary.tag(part))
