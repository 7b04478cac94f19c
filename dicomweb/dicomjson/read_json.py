"""DICOM JSON from outside to data sets.

What JSON parsers differ about is refused: duplicate members, NaN, lone surrogates, invalid UTF-8.
Spec: PS3.18 F.2 (2024d), RFC 8259
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import msgspec

from dicomweb.dicomjson.model import DEPTH_LIMIT, Member, Members, refused
from healix_fhir.kernel.errors import invalid, too_large

OBJECT_LIMIT = 64 << 20
"""Bytes of one object: what is larger belongs into parts of its own."""
TAG = re.compile(r"[0-9A-Fa-f]{8}", re.ASCII).fullmatch
VR = re.compile(r"[A-Z]{2}", re.ASCII).fullmatch
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
CONTENTS = ("Value", "InlineBinary", "BulkDataURI")
BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


class Written(float):
    """A number that remembers its digits."""

    text: str


def objects(part: bytes | memoryview) -> list[msgspec.Raw]:
    """The objects of an array, each still encoded. Raises Invalid for anything else."""
    try:
        return msgspec.json.decode(part, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid(f"the metadata is no JSON array of objects: {_brief(error)}", code="structure") from error


def read(encoded: bytes | msgspec.Raw) -> Members:
    """The data set of one encoded object. Raises Invalid, naming the attribute, TooLarge for a giant."""
    if len(memoryview(encoded)) > OBJECT_LIMIT:
        raise too_large(f"the metadata of an instance may have at most {OBJECT_LIMIT >> 20} MB; send bulk data apart")
    try:
        found = json.loads(
            bytes(encoded).decode(), object_pairs_hook=_unique, parse_float=_written, parse_constant=_no_constant
        )
    except RecursionError as error:
        raise invalid(f"sequences are nested more than {DEPTH_LIMIT} deep") from error
    except ValueError as error:
        raise invalid(f"the metadata of an instance is malformed JSON: {_brief(error)}", code="structure") from error
    return _data_set(found, "", 0)


def _brief(error: Exception) -> str:
    return "it is nested too deep" if isinstance(error, RecursionError) else str(error)[:120]


def _written(text: str) -> Written:
    number = Written(text)
    number.text = text
    return number


def _no_constant(name: str) -> None:
    raise invalid(f"{name} is no number of JSON; write it as a string", code="structure")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise invalid("an object of the metadata has a member twice", code="structure")
    return members


def _data_set(found: Any, path: str, depth: int) -> Members:
    if not isinstance(found, dict):
        raise refused(path or "metadata", "is no object of attributes")
    if depth > DEPTH_LIMIT:
        raise invalid(f"sequences are nested more than {DEPTH_LIMIT} deep")
    members: Members = {}
    for name, attribute in found.items():
        if not TAG(name):
            raise refused(f"{path}{name[:16]}", "is no tag: eight hexadecimal digits")
        tag = int(name, 16)
        if tag in members:
            raise refused(f"{path}{tag:08X}", "is there twice")
        members[tag] = _member(attribute, f"{path}{tag:08X}", depth)
    return members


def _member(attribute: Any, path: str, depth: int) -> Member:
    if not isinstance(attribute, dict):
        raise refused(path, "is no object")
    vr = attribute.get("vr")
    if not isinstance(vr, str) or not VR(vr):
        raise refused(path, "has no value representation (vr)")
    contents = [name for name in CONTENTS if name in attribute]
    if len(contents) > 1 or len(attribute) > 1 + len(contents):
        raise refused(path, f"holds more than vr and one of {', '.join(CONTENTS)}")
    if not contents:
        return Member(vr)
    content = attribute[contents[0]]
    if contents[0] != "Value":
        if not isinstance(content, str):
            raise refused(path, f"{contents[0]} is no string")
        return Member(vr, uri=content) if contents[0] == "BulkDataURI" else Member(vr, octets=octets(content, vr, path))
    if not isinstance(content, list):
        raise refused(path, "Value is no array")
    if vr in BINARY:
        raise refused(path, f"{vr} has no Value but InlineBinary or BulkDataURI")
    if vr == "SQ":
        return Member(vr, [_data_set(item or {}, f"{path}/{n}/", depth + 1) for n, item in enumerate(content)])
    if vr == "PN":
        return Member(vr, [_name(value, path) for value in content])
    if any(isinstance(value, (dict, list, bool)) for value in content):
        raise refused(path, "holds a value that is neither text nor number")
    return Member(vr, [value.text if isinstance(value, Written) and vr == "DS" else value for value in content])


def octets(text: str, vr: str, path: str) -> bytes:
    """Inline binary, which only binary representations have."""
    if vr not in BINARY:
        raise refused(path, f"{vr} cannot be InlineBinary")
    try:
        return b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise refused(path, "InlineBinary is no base64") from error


def _name(value: Any, path: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or not value.keys() <= set(GROUPS):
        raise refused(path, f"a person name is an object of {', '.join(GROUPS)}")
    groups = [value.get(name) or "" for name in GROUPS]
    if not all(isinstance(group, str) and "=" not in group for group in groups):
        raise refused(path, "a component group of a person name is no text")
    return "=".join(groups).rstrip("=")
