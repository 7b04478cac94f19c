"""Rows of the index as DICOM JSON.

Spec: PS3.18 F and Tables 10.6.3-3 to 10.6.3-5 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from dicomweb.index.attributes import INSTANCE_AVAILABILITY, NUMERIC, RETRIEVE_URL, Attribute
from dicomweb.index.columns import name_attribute

NONE: Mapping[str, bytes] = MappingProxyType({})
CHARACTER_SET_TAG = "00080005"
CHARACTER_SET = b'"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'
ONLINE = b'"%s":{"vr":"CS","Value":["ONLINE"]}' % INSTANCE_AVAILABILITY.encode()


def render(attributes: Sequence[Attribute], row: Sequence[Any], url: str, further: Mapping[str, bytes] = NONE) -> bytes:
    """The DICOM JSON object of a row whose columns are those of `attributes`, with `url` as Retrieve URL if not empty.

    An attribute without a value is there, empty: the standard's return keys are all returned. `further` are encoded
    attributes by tag; those of the row win.
    """
    members = [(key, b'"%s":%s' % (key.encode(), encoded)) for key, encoded in further.items()]
    members += [(attribute.key, member(attribute, value)) for attribute, value in zip(attributes, row, strict=True)]
    members.append((INSTANCE_AVAILABILITY, ONLINE))
    if url:
        members.append(
            (RETRIEVE_URL, b'"%s":{"vr":"UR","Value":[%s]}' % (RETRIEVE_URL.encode(), msgspec.json.encode(url)))
        )
    found = dict(members) | {CHARACTER_SET_TAG: CHARACTER_SET}
    return b"{" + b",".join(found[key] for key in sorted(found)) + b"}"


def member(attribute: Attribute, value: Any) -> bytes:
    """One attribute of the object."""
    head = b'"%s":' % attribute.key.encode()
    if attribute.vr == "SQ" and value:
        return head + bytes(value)
    if value is None or value in ("", []):
        return head + b'{"vr":"%s"}' % attribute.vr.encode()
    if attribute.vr == "PN":
        return head + name_attribute(value)
    if not isinstance(value, list):
        value = [value] if attribute.vr in NUMERIC else str(value).split("\\")
    return head + b'{"vr":"%s","Value":%s}' % (attribute.vr.encode(), msgspec.json.encode(value))
