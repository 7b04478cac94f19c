"""DICOM JSON objects as documents of the Native DICOM Model.

Spec: PS3.19 A.1 (2024d), PS3.18 F.2 (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec

from dicomweb.dicomjson import dictionary

ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that DICOM text may hold and XML 1.0 cannot. Spec: XML 1.0 2.2"""
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
PRIVATE_BLOCK = 0x10


def native_model(encoded: bytes) -> bytes:
    """The XML document of one encoded DICOM JSON object."""
    members: Mapping[str, Any] = msgspec.json.decode(encoded)
    return "".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xml:space="preserve">',
            *_attributes(members),
            "</NativeDicomModel>",
        ]
    ).encode()


def _attributes(members: Mapping[str, Any]) -> Iterator[str]:
    """The attributes of a data set. A private one is named by its creator, its block left out of its tag."""
    for tag, member in members.items():
        vr = member.get("vr", "UN")
        creator = _creator(members, tag)
        shown = f"{tag[:4]}00{tag[6:]}" if creator else tag
        keyword = dictionary.keyword(int(tag, 16))
        yield f'<DicomAttribute tag="{shown}" vr="{vr}"'
        if keyword:
            yield f' keyword="{keyword}"'
        if creator:
            yield f" privateCreator={quoteattr(_legal(creator))}"
        yield ">"
        yield from _content(vr, member)
        yield "</DicomAttribute>"


def _content(vr: str, member: Mapping[str, Any]) -> Iterator[str]:
    if "BulkDataURI" in member:
        yield f"<BulkData uri={quoteattr(member['BulkDataURI'])}/>"
    elif "InlineBinary" in member:
        yield f"<InlineBinary>{member['InlineBinary']}</InlineBinary>"
    for number, value in enumerate(member.get("Value", ()), 1):
        if vr == "SQ":
            yield f'<Item number="{number}">'
            yield from _attributes(value or {})
            yield "</Item>"
        elif vr == "PN" and isinstance(value, Mapping):
            yield from _name(number, value)
        elif value is not None:
            yield f'<Value number="{number}">{_text(str(value))}</Value>'


def _name(number: int, value: Mapping[str, str]) -> Iterator[str]:
    yield f'<PersonName number="{number}">'
    for group in GROUPS:
        if group in value:
            parts = zip(COMPONENTS, value[group].split("^"), strict=False)
            inner = "".join(f"<{name}>{_text(part)}</{name}>" for name, part in parts if part)
            yield f"<{group}>{inner}</{group}>"
    yield "</PersonName>"


def _creator(members: Mapping[str, Any], tag: str) -> str:
    """The creator of a private element, from the element that reserves its block; empty where there is none."""
    if int(tag[3], 16) % 2 == 0 or int(tag[4:6], 16) < PRIVATE_BLOCK:
        return ""
    values = members.get(f"{tag[:4]}00{tag[4:6]}", {}).get("Value", [])
    return str(values[0]) if values and values[0] else ""


def _text(value: str) -> str:
    return escape(_legal(value), {"\r": "&#13;"})  # a bare one would be read as a line feed


def _legal(value: str) -> str:
    return ILLEGAL.sub("�", value)
