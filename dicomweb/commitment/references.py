"""A request for storage commitment, and what is reported of it: the transaction and the instances that they name.

Spec: PS3.4 J.3.2 and J.3.3, PS3.3 C.14, PS3.18 J.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import zstandard

from dicomweb.dicomjson.inflate import inflate
from dicomweb.dicomjson.reading import DataSet
from dicomweb.dicomjson.syntax import syntax
from dicomweb.dicomjson.walker import walk
from dicomweb.uid import check_uid
from healix_fhir.kernel.errors import invalid, too_large

LONGEST = 16 << 20
"""Bytes of action information that are read; a reference takes about 120."""
MOST = 100_000
"""Instances of one request."""
TRANSACTION_UID, REFERENCED_SOP, REFERENCED_STUDY = "00081195", "00081199", "00081110"
LEVEL = 3


class Reference(NamedTuple):
    """An instance that a peer wants to rely on, and of which class it says that it is."""

    sop_class: str
    sop_instance: str


class Request(msgspec.Struct, frozen=True):
    """What is asked: each instance once, in the order in which they were named."""

    transaction_uid: str
    references: tuple[Reference, ...]


class _Uid(msgspec.Struct):
    values: list[str | None] = msgspec.field(name="Value", default_factory=list)


class _Item(msgspec.Struct):
    sop_class: _Uid = msgspec.field(name="00081150", default_factory=_Uid)
    sop_instance: _Uid = msgspec.field(name="00081155", default_factory=_Uid)


class _Items(msgspec.Struct):
    values: list[_Item] = msgspec.field(name="Value", default_factory=list)


class _Information(msgspec.Struct):
    transaction: _Uid = msgspec.field(name=TRANSACTION_UID, default_factory=_Uid)
    referenced: _Items = msgspec.field(name=REFERENCED_SOP, default_factory=_Items)


class _Number(msgspec.Struct):
    values: list[int | None] = msgspec.field(name="Value", default_factory=list)


class _FailedItem(_Item):
    reason: _Number = msgspec.field(name="00081197", default_factory=_Number)


class _FailedItems(msgspec.Struct):
    values: list[_FailedItem] = msgspec.field(name="Value", default_factory=list)


class _Report(_Information):
    failed: _FailedItems = msgspec.field(name="00081198", default_factory=_FailedItems)


_READ = msgspec.json.Decoder(_Information).decode


def read(data_set: bytes, transfer_syntax: str) -> Request:
    """The request in a data set. Raises Invalid for what is no data set or lacks a UID, TooLarge."""
    form = syntax(transfer_syntax)
    plain = b"".join(inflate(iter([data_set]), LONGEST)) if form.deflated else data_set
    header = walk(plain, 0, len(plain), form, frozenset())
    try:
        information = _READ(header.metadata)
    except msgspec.ValidationError as error:
        raise invalid("an element of the action information is of a wrong kind", code="structure") from error
    return Request(_uid(information.transaction, "TransactionUID"), _references(information))


def named(data_set: DataSet) -> tuple[Reference, ...]:
    """The references in a data set that came over HTTP, whose transaction is in the address. Raises Invalid, TooLarge.

    Spec: PS3.18 J.1 (2024d)
    """
    if REFERENCED_STUDY in data_set:
        raise invalid("name the instances in ReferencedSOPSequence, not by study", code="not-supported")
    return _references(msgspec.convert(data_set, _Information))


class Outcome(msgspec.Struct, frozen=True):
    """What a peer says of a request: the instances that it has committed itself to, and why not to others."""

    transaction_uid: str
    committed: frozenset[str]
    failed: Mapping[str, int | None]


def reported(data_set: DataSet) -> Outcome:
    """The outcome in event information. Raises Invalid for what lacks a UID. Spec: PS3.4 Table J.3-2 (2024d)"""
    try:
        report = msgspec.convert(data_set, _Report)
    except msgspec.ValidationError as error:
        raise invalid("an element of the event information is of a wrong kind", code="structure") from error
    return Outcome(
        _uid(report.transaction, "TransactionUID"),
        frozenset(_uid(one.sop_instance, "ReferencedSOPInstanceUID") for one in report.referenced.values),
        {
            _uid(one.sop_instance, "ReferencedSOPInstanceUID"): next(iter(one.reason.values), None)
            for one in report.failed.values
        },
    )


def _references(information: _Information) -> tuple[Reference, ...]:
    items = information.referenced.values
    if not items:
        raise invalid("ReferencedSOPSequence names no instance", code="required")
    if len(items) > MOST:
        raise too_large(f"at most {MOST} instances may be named in one request")
    found = (
        Reference(_uid(item.sop_class, "ReferencedSOPClassUID"), _uid(item.sop_instance, "ReferencedSOPInstanceUID"))
        for item in items
    )
    return tuple(dict.fromkeys(found))


def _uid(found: _Uid, keyword: str) -> str:
    return check_uid(found.values[0] or "" if len(found.values) == 1 else "", keyword)


def pack(references: tuple[Reference, ...]) -> bytes:
    """The references as they are kept until they are reported."""
    return zstandard.ZstdCompressor(level=LEVEL).compress(msgspec.msgpack.encode(references))


def unpack(packed: bytes) -> tuple[Reference, ...]:
    """What `pack` made."""
    plain = zstandard.ZstdDecompressor().decompress(packed)
    return msgspec.msgpack.decode(plain, type=tuple[Reference, ...])
