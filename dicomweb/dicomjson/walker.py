"""One pass over a data set that makes its DICOM JSON straight from the bytes.

Written for speed: per element one look-up of its first bytes, one read of its length, one slice and one call. What is
rare (sequences, bulk data, unknown representations) leaves the loop.
Spec: PS3.5 7 (2024d), PS3.18 F (2024d)
"""

from __future__ import annotations

import mmap
from array import array
from struct import Struct
from typing import NamedTuple

from dicomweb.dicomjson import charset, dictionary, values
from dicomweb.dicomjson.budget import MEMBER_LIMIT, Budget
from dicomweb.dicomjson.elements import (
    ITEM,
    ITEM_DELIMITER,
    KNOWN_LIMIT,
    PIXEL_REPRESENTATION,
    PIXELS,
    SEQUENCE_DELIMITER,
    Element,
    Kind,
    describe,
    learn,
)
from dicomweb.dicomjson.header import Fragments, Header, PixelElement
from dicomweb.dicomjson.syntax import IMPLICIT_LITTLE, NATIVE, Syntax
from healix_fhir.kernel.errors import invalid, too_large

DEPTH_LIMIT = 64
"""Sequences in sequences: real objects stay under ten."""
FRAGMENT_LIMIT = 1 << 20
UNDEFINED = 0xFFFFFFFF
RELEASE_EVERY = 256
IMAGE_STARTS = (b"\xff\xd8", b"\xff\x4f")
"""Markers with which a compressed frame begins: JPEG and JPEG-LS, JPEG 2000."""

Buffer = bytes | mmap.mmap

_IMPLICIT = NATIVE[IMPLICIT_LITTLE]
_KNOWN: dict[Syntax, dict[bytes, Element]] = {}


class Place(NamedTuple):
    """Where in the data set the walker is: the path and number of enclosing sequences, the codec in force."""

    path: str = ""
    depth: int = 0
    codec: str = "latin_1"


def walk(
    buffer: Buffer, start: int, end: int, syntax: Syntax, wanted: frozenset[int], most: int = MEMBER_LIMIT
) -> Header:
    """Read the data set in `buffer[start:end]` (already inflated), of at most `most` elements and items; `wanted` are
    the tags kept as attributes.

    Raises Invalid for what breaks the encoding (truncated, wrong order, missing delimiters), TooLarge past the limits.
    """
    walker = Walker(buffer, syntax, Budget(start, most))
    out: list[bytes] = []
    walker.data_set(start, end, out, Place(), wanted)
    return Header(walker.attributes, b"{" + b",".join(out) + b"}", walker.bulk, walker.pixel, walker.character_set)


class Walker:
    """The state of one pass."""

    def __init__(self, buffer: Buffer, syntax: Syntax, budget: Budget) -> None:
        self.buffer = buffer
        self.syntax = syntax
        self.budget = budget
        self.attributes: dict[int, bytes] = {}
        self.bulk: dict[str, tuple[str, int, int]] = {}
        self.pixel: PixelElement | None = None
        self.signed = False
        self.creators: dict[int, str] = {}
        self.character_set: tuple[str, ...] = ()
        order = "<" if syntax.little else ">"
        self.short = Struct(order + "H").unpack_from
        self.long = Struct(order + "L").unpack_from
        self.item = Struct(order + "HHL").unpack_from

    def data_set(  # noqa: C901, PLR0912, PLR0915 - the hot loop: calls would cost more than the elements
        self,
        position: int,
        end: int,
        out: list[bytes],
        place: Place,
        wanted: frozenset[int] = frozenset(),
        *,
        delimited: bool = False,
    ) -> int:
        """Append the members of a data set (the whole, or an item) to `out`; returns the position after it."""
        buffer, syntax, short, long, budget = self.buffer, self.syntax, self.short, self.long, self.budget
        known = _KNOWN.setdefault(syntax, {})
        implicit, codec, last, counted = syntax.implicit, place.codec, -1, 0
        width = 4 if implicit else 6
        while position < end:
            if position + 8 > end:
                raise invalid("the data set is truncated")
            if position > budget.checkpoint:
                budget.passed(position)
                counted = budget.count(out, counted)
            head = buffer[position : position + width]
            element = known.get(head)
            if element is None:
                if len(known) > KNOWN_LIMIT:
                    known.clear()
                element = known[head] = learn(head, syntax)
            tag, kind, _, long_length, limit, prefix, encode = element
            if kind is Kind.DELIMITER:
                if delimited and tag == ITEM_DELIMITER:
                    budget.count(out, counted)
                    return position + 8
                raise invalid("an item or delimiter stands where none belongs")
            if tag <= last:
                raise invalid("the elements are not in ascending order of their tags")
            last = tag
            if implicit:
                (length,) = long(buffer, position + 4)
                begin = position + 8
            elif long_length:
                if position + 12 > end:
                    raise invalid("the data set is truncated")
                (length,) = long(buffer, position + 8)
                begin = position + 12
            else:
                (length,) = short(buffer, position + 6)
                begin = position + 8
            position = begin + length
            if length > limit or kind >= Kind.SEQUENCE:
                if length != UNDEFINED and position > end:
                    raise invalid("the data set is truncated")
                if kind is Kind.CHARACTER_SET:
                    terms = tuple(term.strip("\0 ") for term in buffer[begin:position].decode("latin_1").split("\\"))
                    codec = charset.codec(terms)
                    place = place._replace(codec=codec)
                    if not place.depth:
                        self.character_set = terms
                counted = budget.count(out, counted)
                member, position = self._rare(element, begin, length, end, place)
                if member is not None:
                    out.append(member)
                    if tag in wanted:
                        self.attributes[tag] = b"{" + member[12:]
                continue
            if position > end:
                raise invalid("the data set is truncated")
            raw = buffer[begin:position]
            member = prefix + (encode(raw, codec) if kind else encode(raw))
            out.append(member)
            if tag in wanted:
                self.attributes[tag] = b"{" + member[12:]
            if tag == PIXEL_REPRESENTATION:
                self.signed = b"\1" in raw
            elif tag & 0x1FF00 == 0x10000:
                self._remember(tag, raw)
        if delimited:
            raise invalid("an item of undefined length has no end")
        budget.count(out, counted)
        return position

    def _rare(self, element: Element, begin: int, length: int, end: int, place: Place) -> tuple[bytes | None, int]:
        """The member of an element that is no plain short value, and the position after it."""
        tag, kind, vr, prefix = element.tag, element.kind, element.vr, element.prefix
        if length == UNDEFINED:
            return self._undefined(element, begin, end, place)
        stop = begin + length
        if kind is Kind.SKIP:
            return None, stop
        if kind is Kind.CHARACTER_SET:
            return prefix + b',"Value":["ISO_IR 192"]}', stop  # what the values are encoded in now
        if kind is Kind.SEQUENCE:
            return self.sequence(tag, begin, stop, place, delimited=False)
        if kind is Kind.UNKNOWN and (better := self._dictionary(tag)) is not None:
            known = describe(tag, better, _IMPLICIT)
            if known.kind is Kind.SEQUENCE:
                return self._implicit().sequence(tag, begin, stop, place, delimited=False)
            if length <= known.limit:
                raw = self.buffer[begin:stop]
                self._remember(tag, raw)
                value = known.encode(raw, place.codec) if known.kind is Kind.TEXT else known.encode(raw)
                return known.prefix + value, stop
        if kind is Kind.AMBIGUOUS:
            exact = describe(tag, "SS" if self.signed else "US", self.syntax)
            return exact.prefix + exact.encode(self.buffer[begin:stop]), stop
        if length <= element.limit:
            return prefix + element.encode(self.buffer[begin:stop]), stop
        if tag in PIXELS and not place.depth:
            self.pixel = PixelElement(tag, vr, begin, length)
        return self._bulk(element, begin, length, place), stop

    def _undefined(self, element: Element, begin: int, end: int, place: Place) -> tuple[bytes, int]:
        """A sequence, or encapsulated pixel data. UN of undefined length is a sequence in implicit VR.

        Spec: PS3.5 6.2.2 note 4, 7.5 and A.4 (2024d)
        """
        if element.kind is Kind.SEQUENCE:
            return self.sequence(element.tag, begin, end, place, delimited=True)
        if element.vr in ("OB", "OW") and not self.syntax.implicit:
            fragments, stop = self._fragments(begin, end)
            if element.tag in PIXELS and not place.depth:
                self.pixel = PixelElement(element.tag, element.vr, begin, stop - begin, fragments)
            return self._bulk(element, begin, stop - begin, place), stop
        if element.kind is Kind.UNKNOWN:
            return self._implicit().sequence(element.tag, begin, end, place, delimited=True)
        raise invalid("an element of undefined length is neither a sequence nor encapsulated pixel data")

    def _bulk(self, element: Element, begin: int, length: int, place: Place) -> bytes:
        path = f"{place.path}{element.tag:08X}"
        self.bulk[path] = (element.vr, begin, length)
        self.budget.skip(length)
        return element.prefix + b',"BulkDataURI":"bulkdata/' + path.encode() + b'"}'

    def _implicit(self) -> Walker:
        """This pass, going on in implicit VR little endian."""
        if self.syntax == _IMPLICIT:
            return self
        inner = Walker(self.buffer, _IMPLICIT, self.budget)
        inner.bulk, inner.creators, inner.signed = self.bulk, self.creators, self.signed
        return inner

    def _remember(self, tag: int, raw: bytes) -> None:
        if tag & 0x1FF00 == 0x10000:
            self.creators[tag] = raw.decode("latin_1").strip("\0 ")

    def _dictionary(self, tag: int) -> str | None:
        if tag & 0x1FF00 == 0x10000:
            return "LO"  # a private creator, whatever the encoder knew
        if tag & 0x10000 == 0:
            vr = dictionary.public(tag)
        else:
            creator = self.creators.get((tag & 0xFFFF0000) | (tag >> 8 & 0xFF))
            vr = dictionary.private(tag, creator) if creator else None
        if vr == "US or SS":
            return "SS" if self.signed else "US"
        vr = dictionary.AMBIGUOUS.get(vr or "UN", vr)
        return None if vr == "UN" else vr

    def sequence(self, tag: int, position: int, end: int, place: Place, *, delimited: bool) -> tuple[bytes, int]:
        """A sequence's member; its value is `[position:end]`, or up to its delimiter within that."""
        if place.depth >= DEPTH_LIMIT:
            raise invalid(f"sequences are nested more than {DEPTH_LIMIT} deep")
        items: list[bytes] = []
        text = self.budget.text
        while True:
            if not delimited and position == end:
                break
            found, length, position = self._item(position, end)
            if found == SEQUENCE_DELIMITER and delimited:
                break
            if found != ITEM:
                raise invalid("a sequence holds something other than items")
            self.budget.add(1)
            inner = Place(f"{place.path}{tag:08X}/{len(items)}/", place.depth + 1, place.codec)
            members: list[bytes] = []
            stop = end if length == UNDEFINED else position + length
            if stop > end:
                raise invalid("the data set is truncated")
            creators, self.creators = self.creators, {}
            position = self.data_set(position, stop, members, inner, delimited=length == UNDEFINED)
            self.creators = creators
            items.append(b"{" + b",".join(members) + b"}")
        self.budget.text = text  # the sequence counts as a member of what it is in
        prefix = b'"%08X":{"vr":"SQ"' % tag
        return prefix + (values.values(items) if items else values.EMPTY), position

    def _item(self, position: int, end: int) -> tuple[int, int, int]:
        """Tag and length of the item header at `position`, and the position after it."""
        if position + 8 > end:
            raise invalid("the data set is truncated")
        group, element, length = self.item(self.buffer, position)
        return group << 16 | element, length, position + 8

    def _fragments(self, position: int, end: int) -> tuple[Fragments, int]:
        """The items of encapsulated pixel data, and the position after its delimiter."""
        offsets, lengths, openings = array("Q"), array("L"), array("L")
        table: bytes | None = None
        while True:
            found, length, position = self._item(position, end)
            if found == SEQUENCE_DELIMITER:
                return Fragments(offsets, lengths, openings, table or b""), position
            if found != ITEM or length == UNDEFINED or position + length > end:
                raise invalid("the encapsulated pixel data is truncated or broken")
            if table is None:
                if length > FRAGMENT_LIMIT * 4:
                    raise too_large(f"the pixel data has more than {FRAGMENT_LIMIT} fragments")
                table = self.buffer[position : position + length]
            else:
                if len(offsets) >= FRAGMENT_LIMIT:
                    raise too_large(f"the pixel data has more than {FRAGMENT_LIMIT} fragments")
                if self.buffer[position : position + 2] in IMAGE_STARTS:
                    openings.append(len(offsets))
                offsets.append(position)
                lengths.append(length)
                if len(offsets) % RELEASE_EVERY == 0 and isinstance(self.buffer, mmap.mmap):
                    self.buffer.madvise(mmap.MADV_DONTNEED)  # touched pages would otherwise count as our memory
            position += length
