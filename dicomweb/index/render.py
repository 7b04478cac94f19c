"""Rows of the index as DICOM JSON.

Spec: PS3.18 F and Tables 10.6.3-3 to 10.6.3-5 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from dicomweb.index.attributes import INSTANCE_AVAILABILITY, NUMERIC, RETRIEVE_URL, Attribute
from dicomweb.index.columns import name_attribute
from dicomweb.index.regions import REGIONS, encoded

NONE: Mapping[str, bytes] = MappingProxyType({})
CHARACTER_SET = "00080005"
ONLINE = b'{"vr":"CS","Value":["ONLINE"]}'
UTF_8 = b'{"vr":"CS","Value":["ISO_IR 192"]}'

ROWS = 2048
"""Rows that are remembered of one kind of list,"""
LARGEST = 4096
"""of at most so many bytes each."""

_json = msgspec.json.Encoder().encode
Encode = Callable[[Any], bytes]
Renderer = Callable[[Sequence[Any], str, Mapping[str, bytes]], bytes]


def renderer(attributes: Sequence[Attribute]) -> Renderer:
    """What makes the DICOM JSON object of a row whose columns are those of `attributes`, made once for many rows.

    It takes the row, the Retrieve URL if not empty, and further encoded attributes by tag; those of the row win. An
    attribute without a value is there, empty: the standard's return keys are all returned.
    """
    encoders = [(attribute.key, _encoder(attribute)) for attribute in attributes]
    fixed = {CHARACTER_SET: UTF_8, INSTANCE_AVAILABILITY: ONLINE}
    order = sorted([*fixed, RETRIEVE_URL, *(key for key, _ in encoders)])
    heads = {key: b'"%s":' % key.encode() for key in order}

    def render(row: Sequence[Any], url: str, further: Mapping[str, bytes] = NONE) -> bytes:
        members = {key: encode(value) for (key, encode), value in zip(encoders, row, strict=True)} | fixed
        if url:
            members[RETRIEVE_URL] = b'{"vr":"UR","Value":[%s]}' % _json(url)
        if further:
            members = {**further, **members}
            return b"{" + b",".join([b'"%s":%s' % (key.encode(), members[key]) for key in sorted(members)]) + b"}"
        return b"{" + b",".join([heads[key] + members[key] for key in order if key in members]) + b"}"

    return render


def remembering(make: Callable[[tuple[Any, ...]], bytes]) -> Callable[[tuple[Any, ...]], bytes]:
    """The same, but rows that were made before are not made again: lists show the same rows over and over.

    A row that has changed is another one, so that nothing has to be forgotten.
    """
    known: dict[tuple[Any, ...], bytes] = {}

    def remembered(row: tuple[Any, ...]) -> bytes:
        found = known.get(row)
        if found is None:
            found = make(row)
            if len(found) <= LARGEST:
                if len(known) >= ROWS:
                    known.clear()
                known[row] = found
        return found

    return remembered


def _encoder(attribute: Attribute) -> Encode:
    """How the values of an attribute's column become JSON."""
    empty = b'{"vr":"%s"}' % attribute.vr.encode()
    start = empty[:-1] + b',"Value":'
    if attribute.keyword == REGIONS:
        return encoded
    if attribute.vr == "SQ":
        return lambda value: bytes(value) if value else empty
    if attribute.vr == "PN":
        return lambda value: name_attribute(value) if value else empty
    if attribute.vr in NUMERIC:
        return lambda value: empty if value is None else start + b"[%d]}" % value

    def encode(value: Any) -> bytes:
        if not value:
            return empty
        if isinstance(value, str):
            return start + (_json(value.split("\\")) if "\\" in value else b"[" + _json(value) + b"]") + b"}"
        return start + _json(value) + b"}"

    return encode
