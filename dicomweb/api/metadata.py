"""STOW-RS of metadata and bulk data in parts of their own, put together when all have come.

Spec: PS3.18 10.5.1.4 (2024d)
"""

from __future__ import annotations

import asyncio
import mmap
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from dicomweb.api.accept import DICOM_JSON, DICOM_XML, JSON_TYPES, OCTETS
from dicomweb.api.intake import Intake
from dicomweb.dicomjson import read_json, read_xml
from dicomweb.dicomjson.model import Members
from dicomweb.study.compose import Composer, announced
from dicomweb.study.parcel import Parcel, Part
from healix_fhir.kernel.errors import Category, HealixError, invalid, too_large
from healix_fhir.kernel.media_types import parse_media_type

METADATA_LIMIT = 128 << 20
"""Bytes of a part of DICOM JSON, which holds the metadata of all objects."""
CHUNK = 1 << 16
COMPOSERS = 2
"""Objects of a process that are put together at once: each may take some hundred megabytes, if its sender wants so."""
_threads: Final = ThreadPoolExecutor(COMPOSERS, thread_name_prefix="compose")


@dataclass(frozen=True, slots=True)
class Described:
    """The metadata of one object, still encoded, and the part that they are of."""

    part: Part
    encoded: msgspec.Raw | None = None


class Apart:
    """Takes the parts of one request; `kind` is the media type of those with metadata, `base` its address."""

    def __init__(self, intake: Intake, kind: str, base: str) -> None:
        self._intake = intake
        self._kind = kind
        self._kinds = JSON_TYPES if kind == DICOM_JSON else (kind,)
        self._parcel = Parcel(intake.receiver.archive.incoming, base)
        self._passed_over = True
        self._nameless = 0

    def begin(self, headers: Mapping[str, str]) -> None:
        """A part starts: metadata by its type, also the first one without one; else bulk data by its name."""
        untyped = OCTETS if self._parcel.metadata else self._kind
        media = parse_media_type(headers.get("content-type", untyped))
        location = headers.get("content-location")
        self._passed_over = media.name not in self._kinds and not location
        if media.name in self._kinds:
            self._parcel.begin_metadata(media)
        elif location:
            self._parcel.begin_bulk(media, location)
        else:
            self._nameless += 1

    def data(self, piece: bytes | memoryview) -> None:
        """Some bytes of the part."""
        if not self._passed_over:
            self._parcel.data(piece)

    def end(self) -> None:
        """The part is complete."""

    def discard(self) -> None:
        """Drop what has arrived, and what was put together of it and has no rows yet."""
        self._parcel.discard()
        self._intake.discard()

    def put_together(self) -> Iterator[None]:
        """Put one object after the other together; stops when the intake is full, and once more at the end.

        Raises Invalid where the metadata cannot be told apart, TooLarge for giants, UnsupportedMedia without any.
        """
        self._parcel.complete()
        if not self._parcel.metadata:
            raise HealixError(Category.UNSUPPORTED_MEDIA, f"the request holds no part of type {self._kind}")
        buffer = self._parcel.buffer()
        composer = Composer(self._intake.receiver, self._parcel, buffer)
        for described in [one for part in self._parcel.metadata for one in self._objects(buffer, part)]:
            self._compose(composer, buffer, described)
            if self._intake.is_full:
                yield
        self._intake.refuse(invalid("a part with bulk data has no Content-Location"), times=self._nameless)
        self._intake.refuse(invalid("a part with bulk data is named by no metadata"), times=self._parcel.unused())
        yield

    def _objects(self, buffer: mmap.mmap, part: Part) -> Iterator[Described]:
        if self._kind == DICOM_XML:
            yield Described(part)
            return
        if part.length > METADATA_LIMIT:
            raise too_large(f"the metadata of a request may have at most {METADATA_LIMIT >> 20} MB")
        for one in read_json.objects(memoryview(buffer)[part.start : part.start + part.length]):
            yield Described(part, one)

    def _compose(self, composer: Composer, buffer: mmap.mmap, described: Described) -> None:
        members: Members = {}
        try:
            members = _read(buffer, described)
            received = composer.compose(members, described.part.media.parameters.get("transfer-syntax", ""))
        except HealixError as error:
            self._intake.refuse(error, announced(members))
        else:
            self._intake.keep(received, announced(members))


def _read(buffer: mmap.mmap, described: Described) -> Members:
    if described.encoded is not None:
        return read_json.read(described.encoded)
    start, end = described.part.start, described.part.start + described.part.length
    return read_xml.read(buffer[at : min(at + CHUNK, end)] for at in range(start, end, CHUNK))


async def next_group(work: Iterator[None]) -> bool:
    """Let `put_together` go on in a thread; whether there may be more. Whoever is cancelled waits for the thread, which
    reads the files that are about to be removed.
    """
    step = asyncio.get_running_loop().run_in_executor(_threads, partial(copy_context().run, next, work, work))
    try:
        return await asyncio.shield(step) is None
    except asyncio.CancelledError:
        await asyncio.wait([step])
        raise
