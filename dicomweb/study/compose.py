"""Objects from metadata and bulk data that came apart: described, encoded, and received like any other.

Native pixels stay as they are. Compressed ones are encapsulated as they are where DICOM has a transfer syntax for them,
else decoded, which loses nothing. What their stream says of them needs not be in the metadata.
Spec: PS3.18 10.5.1.4 and 10.5.2 (2024d)
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import msgspec

from dicomweb.archive.spool import Spool
from dicomweb.dicomjson.elements import PIXELS
from dicomweb.dicomjson.encode import CHARACTER_SET, UTF_8, Content, Encapsulated, Span, encode, is_ascii
from dicomweb.dicomjson.model import Member, Members, text_of
from dicomweb.dicomjson.part10 import FileMeta
from dicomweb.dicomjson.syntax import EXPLICIT_BIG, EXPLICIT_LITTLE, NATIVE
from dicomweb.study import coercion
from dicomweb.study.iod import DOCUMENT, SOP_CLASS, classify_document, mismatch, require_description
from dicomweb.study.parcel import Parcel, Part
from dicomweb.study.pictured import CODED, Pictures, is_picture
from dicomweb.study.receive import SOP_INSTANCE, Received, Receiver
from dicomweb.uid import is_uid
from healix_fhir.kernel.clock import now
from healix_fhir.kernel.errors import Category, HealixError, invalid

TRANSFER_SYNTAX = 0x00020010
OCTETS = "application/octet-stream"
CHUNK = 1 << 20
BEGIN = b"\xfe\xff\x00\xe0"
DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"


@dataclass(slots=True)
class Draft:
    """An object on its way: `content` is bulk data by path as far as that is settled, `replaced` what was coerced."""

    members: Members
    syntax: str = EXPLICIT_LITTLE
    content: dict[str, Content] = field(default_factory=dict)
    replaced: Members = field(default_factory=dict)


class Composer:
    """Composes the objects of one request out of the parts of `parcel`, whose file is `buffer`."""

    def __init__(self, receiver: Receiver, parcel: Parcel, buffer: mmap.mmap) -> None:
        self._receiver = receiver
        self._parcel = parcel
        self._buffer = buffer

    def compose(self, members: Members, declared: str) -> Received:
        """Receive the object of these metadata; `declared` is the transfer syntax that the request names, if any.

        Raises Invalid for what cannot be encoded or is nowhere, Unprocessable for what contradicts itself, and what
        `Receiver` raises; nothing is left behind then.
        """
        declared = text_of(members, TRANSFER_SYNTAX) or declared
        for tag in [tag for tag in members if tag >> 16 == 2]:  # File Meta Information is written anew
            del members[tag]
        draft = Draft(members)
        _character_set(draft)
        with ExitStack() as decoded:
            self._pixels(draft, declared, decoded)
            self._document(draft)
            if draft.replaced:
                coercion.record(members, draft.replaced, now())
            received = self._receive(draft)
        if not draft.replaced:
            return received
        model = msgspec.json.decode(received.header.metadata)
        return replace(received, coerced=msgspec.json.encode(model[f"{coercion.ORIGINAL:08X}"]["Value"][-1]))

    def _pixels(self, draft: Draft, declared: str, decoded: ExitStack) -> None:
        tag = next((tag for tag in PIXELS if tag in draft.members), None)
        if tag is None:
            return
        member, path = draft.members[tag], f"{tag:08X}"
        if member.uri is None:
            if member.octets:
                require_description(draft.members, floating=member.vr in ("OF", "OD"))
            return
        parts = self._parts(member.uri, path)
        declared = parts[0].media.parameters.get("transfer-syntax", declared)
        if declared == EXPLICIT_BIG:
            raise HealixError(Category.UNSUPPORTED_MEDIA, "bulk data is in little endian: PS3.18 8.7.3.5.2")
        if is_picture(parts[0].media.name):
            spool = Spool(self._receiver.archive.incoming)
            decoded.callback(spool.discard)
            pictures = Pictures(self._parcel, self._buffer, spool)
            draft.syntax, draft.content[path], replaced = pictures.enter(draft.members, parts, declared)
            draft.replaced |= replaced
            member.vr = "OW" if draft.syntax in NATIVE and text_of(draft.members, 0x00280100) == "16" else "OB"
            return
        part = self._octets(parts, path)
        require_description(draft.members, floating=tag not in CODED)
        if declared and declared not in NATIVE:
            draft.syntax, draft.content[path] = declared, self._encapsulated(part)

    def _encapsulated(self, part: Part) -> Encapsulated:
        """The whole value of compressed pixel data, as Healix serves it too."""
        span = self._span(part)
        first, last = self._buffer[part.start : part.start + 4], part.start + part.length
        if first != BEGIN:
            raise mismatch("octets of a compressed transfer syntax are the items of its pixel data")
        if self._buffer[max(part.start, last - 8) : last] != DELIMITER:
            raise mismatch("octets of a compressed transfer syntax end with a sequence delimiter")
        return Encapsulated(span)

    def _document(self, draft: Draft) -> None:
        member = draft.members.get(DOCUMENT)
        if member is None:
            return
        if member.uri is None:
            media, length = OCTETS, len(member.octets or b"")
        else:
            part = _only(self._parts(member.uri, f"{DOCUMENT:08X}"), f"{DOCUMENT:08X}")
            media, length = part.media.name, part.length
            draft.content[f"{DOCUMENT:08X}"] = self._span(part)
        draft.replaced |= classify_document(draft.members, media, length)

    def _receive(self, draft: Draft) -> Received:
        meta = FileMeta(text_of(draft.members, SOP_CLASS), text_of(draft.members, SOP_INSTANCE), draft.syntax)

        def bulk(uri: str, path: str) -> Content:
            return draft.content.get(path) or self._span(self._octets(self._parts(uri, path), path))

        pieces = encode(draft.members, bulk)
        incoming = self._receiver.begin(meta)
        try:
            for piece in pieces:
                if isinstance(piece, bytes):
                    incoming.write(piece)
                    continue
                for chunk in _read(piece):
                    incoming.write(chunk)
            return incoming.finish()
        except BaseException:
            incoming.abort()
            raise

    def _parts(self, uri: str, path: str) -> list[Part]:
        found = self._parcel.find(uri)
        if not found:
            raise invalid(f"{path}: no part of the request is its bulk data", code="not-found")
        return found

    def _octets(self, parts: Sequence[Part], path: str) -> Part:
        part = _only(parts, path)
        if part.media.name != OCTETS:
            raise invalid(f"{path}: its bulk data must be of type {OCTETS}", code="not-supported")
        return part

    def _span(self, part: Part) -> Span:
        return Span(self._parcel.descriptor, part.start, part.length)


def announced(members: Members) -> FileMeta | None:
    """What the metadata say they are; None where that are no UIDs."""
    sop_class, sop_instance = text_of(members, SOP_CLASS), text_of(members, SOP_INSTANCE)
    return FileMeta(sop_class, sop_instance, "") if is_uid(sop_class) and is_uid(sop_instance) else None


def _only(parts: Sequence[Part], path: str) -> Part:
    if len(parts) > 1:
        raise invalid(f"{path}: several parts are its bulk data", code="structure")
    return parts[0]


def _character_set(draft: Draft) -> None:
    """The text is encoded in UTF-8, whatever the metadata say that it once was."""
    given = draft.members.get(CHARACTER_SET)
    if is_ascii(draft.members) or (given is not None and list(given.values) == [UTF_8]):
        return
    if given is not None and any(given.values):
        draft.replaced[CHARACTER_SET] = given
    draft.members[CHARACTER_SET] = Member("CS", [UTF_8])


def _read(span: Span) -> Iterator[bytes]:
    position, end = span.start, span.start + span.length
    while position < end and (chunk := os.pread(span.descriptor, min(CHUNK, end - position), position)):
        yield chunk
        position += len(chunk)
