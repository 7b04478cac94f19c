"""Attributes out of the stored metadata of an object, for what the index does not hold.

Spec: PS3.18 8.3.4.3 and 10.6.3.3 (2024d); PS3.5 7.8.1 (2024d): a private attribute comes with its creator
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from dicomweb.index.naming import Step, is_private

Members = dict[str, msgspec.Raw]


class _Sequence(msgspec.Struct):
    Value: list[Members] = []


class _Creator(msgspec.Struct):
    Value: list[str | None] = []


_read = msgspec.json.Decoder(Members).decode
_sequence = msgspec.json.Decoder(_Sequence).decode
_creator = msgspec.json.Decoder(_Creator).decode
BLOCKS = range(0x10, 0x100)


def members(encoded: bytes) -> Members:
    """The attributes of a DICOM JSON object by tag, each still encoded."""
    return _read(encoded)


def pick(stored: Mapping[str, msgspec.Raw], paths: Iterable[Sequence[Step]]) -> dict[str, bytes]:
    """Those attributes that `paths` name, encoded, by tag; of a sequence only what is named of its items."""
    inner: dict[str, list[Sequence[Step]]] = {}
    whole: dict[str, bytes] = {}
    for path in paths:
        key = _key(stored, path[0])
        if key is None:
            continue
        if is_private(path[0].tag):
            reserved = f"{key[:4]}00{key[4:6]}"
            whole[reserved] = bytes(stored[reserved])
        if len(path) == 1:
            whole[key] = bytes(stored[key])
        else:
            inner.setdefault(key, []).append(path[1:])
    for key, rest in inner.items():
        if key not in whole:
            items = (pick(item, rest) for item in _items(stored[key]))
            whole[key] = b'{"vr":"SQ","Value":[' + b",".join(map(joined, items)) + b"]}"
    return whole


def joined(attributes: Mapping[str, bytes]) -> bytes:
    """The DICOM JSON object of encoded attributes."""
    return b"{" + b",".join(b'"%s":%s' % (key.encode(), attributes[key]) for key in sorted(attributes)) + b"}"


def _items(member: msgspec.Raw) -> list[Members]:
    """The items of a sequence; none of what is no sequence."""
    try:
        return _sequence(member).Value
    except msgspec.ValidationError:
        return []


def _key(stored: Mapping[str, msgspec.Raw], step: Step) -> str | None:
    """The tag under which an object holds an attribute, a private one in the block that its creator reserves."""
    if not step.creator:
        return step.key if step.key in stored else None
    group = step.key[:4]
    for block in BLOCKS:
        member = stored.get(f"{group}00{block:02X}")
        if member is not None and _names(member, step.creator):
            key = f"{group}{block:02X}{step.key[6:]}"
            return key if key in stored else None
    return None


def _names(member: msgspec.Raw, creator: str) -> bool:
    try:
        return [creator] == [str(value).strip() for value in _creator(member).Value]
    except msgspec.ValidationError:
        return False


def sought(stored: Mapping[str, msgspec.Raw], path: Sequence[Step], item: str = "") -> Iterator[tuple[str, bytes]]:
    """Each place at which an object has an attribute, with the attribute, encoded.

    A place is the numbers of the items that it is in, as `0.2`; empty at the top.
    """
    key = _key(stored, path[0])
    if key is None:
        return
    if len(path) == 1:
        yield item, bytes(stored[key])
        return
    for number, inner in enumerate(_items(stored[key])):
        yield from sought(inner, path[1:], f"{item}.{number}" if item else str(number))
