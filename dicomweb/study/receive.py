"""Receiving one object: spooled, digested and parsed while memory stays bounded, on the disk before it is returned.

Nothing of a refused object stays behind. A received one that gets no rows is removed by dicomweb/study/store.py or,
after a crash, by the sweep of dicomweb/archive.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from xxhash import xxh3_128

from dicomweb.archive.blobs import Archive, new_key
from dicomweb.archive.spool import Spool, unavailable
from dicomweb.dicomjson.header import Header
from dicomweb.dicomjson.inflate import bound, inflate
from dicomweb.dicomjson.part10 import META_LIMIT, PREAMBLE, FileMeta, read_meta, write_meta
from dicomweb.dicomjson.syntax import syntax
from dicomweb.dicomjson.walker import walk
from dicomweb.index import further
from dicomweb.index.attributes import INDEXED, values
from dicomweb.index.further import Catalogue, Value
from dicomweb.non_patient.models import BY_CLASS, NON_PATIENT
from dicomweb.pixel.layout import WANTED, Layout, layout
from dicomweb.study.directory import DIRECTORY_CLASS
from dicomweb.study.requirements.required import lacking
from dicomweb.study.services import is_service
from dicomweb.uid import check_uid
from healix_fhir.kernel.errors import Category, HealixError, invalid, too_large, unsupported

__all__ = ["Apart", "FileMeta", "Incoming", "Received", "Receiver"]

SOP_CLASS, SOP_INSTANCE, STUDY, SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
READ_CHUNK = 1 << 18
SHORT = 128
"""Bytes of an encoded attribute that holds one UID."""
KEPT = INDEXED | WANTED
"""The attributes that are kept by themselves, beside the metadata."""


@dataclass(frozen=True, slots=True)
class Apart:
    """What is taken of objects of no patient: those of these `classes`, alone that with the UID `instance` if it is
    named.
    """

    classes: frozenset[str]
    instance: str | None = None

    def check(self, meta: FileMeta) -> None:
        """Refuse (Unsupported, Unprocessable) what is none of them."""
        if meta.sop_class not in self.classes:
            raise unsupported("SOPClassUID is none of the objects that are kept here")
        if self.instance not in (None, meta.sop_instance):
            raise HealixError(Category.UNPROCESSABLE, "the instance is another one than the request names")


@dataclass(frozen=True, slots=True)
class Received:
    """One object that lies in the archive under `key` and waits for its rows.

    `digest` is a 128-bit xxh3 of the data set without preamble and File Meta, so that the same object is known again
    whatever implementation sent it. `header` holds its index attributes, metadata and byte ranges. `coerced` is the
    item of its Original Attributes Sequence, encoded as DICOM JSON, that says what was replaced on its way in.
    `further` are its values of further attributes. `source` is the AE title that sent it, `via` are the servers through
    which it came. `lacking` are the keywords of what its SOP class requires and it has not, where they are compared.
    """

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    study: str
    series: str
    key: str
    size: int
    digest: bytes
    header: Header
    layout: Layout
    coerced: bytes | None = None
    further: Sequence[Value] = ()
    source: str | None = None
    via: Sequence[str] = ()
    lacking: Sequence[str] = ()


class Receiver:
    """Takes objects into `archive`; one for each process, safe to share between threads.

    `max_object` is the largest accepted file in bytes; `catalogue` has the further attributes to index; `compares` what
    an object has with what its SOP class requires. It takes objects of patients, or with `apart` such as are of none.
    """

    def __init__(
        self,
        archive: Archive,
        *,
        max_object: int = 16 << 30,
        catalogue: Catalogue = further.BUILT_IN,
        compares: bool = False,
        apart: Apart | None = None,
    ) -> None:
        self.archive = archive
        self.max_object = max_object
        self.catalogue = catalogue
        self.compares = compares
        self.apart = apart

    def of_no_patient(self, classes: frozenset[str], instance: str | None = None) -> Receiver:
        """One that takes such objects into the same archive."""
        return Receiver(
            self.archive,
            max_object=self.max_object,
            catalogue=self.catalogue,
            compares=self.compares,
            apart=Apart(classes, instance),
        )

    def begin(self, meta: FileMeta | None = None) -> Incoming:
        """Start receiving: a whole Part 10 stream, or with `meta` a bare data set, to which File Meta is prefixed.

        Raises Invalid when `meta` holds no valid UIDs, Unavailable when nothing can be written.
        """
        return Incoming(self, meta)


class Incoming:
    """One object on its way in. Blocking; asynchronous callers write from a thread."""

    def __init__(self, receiver: Receiver, meta: FileMeta | None) -> None:
        self._archive = archive = receiver.archive
        self._max_object = receiver.max_object
        self._catalogue = receiver.catalogue
        self._compares = receiver.compares
        self._apart = receiver.apart
        self._source = meta.source_aet if meta else ""
        head = write_meta(meta) if meta else b""
        self._spool = Spool(archive.incoming)
        self._digest = xxh3_128()
        self._meta = (meta, len(head)) if meta else None
        self._head = bytearray()
        self._done = False
        self._spool.write(head)

    @property
    def meta(self) -> FileMeta | None:
        """What the object says it is, once that has arrived."""
        return self._meta[0] if self._meta is not None else None

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append bytes as they arrive. Raises TooLarge past the limit, Full or Unavailable as the disk is.

        The preamble becomes zeros: it is no part of the object, and may make the file one of another kind as well,
        a program even. Spec: PS3.10 7.1 and F (2024d)
        """
        begun = self._spool.size
        if begun + len(chunk) > self._max_object:
            raise too_large(f"the object is larger than {self._max_object >> 20} MB")
        if begun < PREAMBLE:
            blank = min(len(chunk), PREAMBLE - begun)
            self._spool.write(bytes(blank))
            self._spool.write(memoryview(chunk)[blank:])
        else:
            self._spool.write(chunk)
        if self._meta is not None:
            self._digest.update(chunk)
            return
        self._head += chunk
        self._read_meta()

    def _read_meta(self) -> None:
        """Look for the end of the File Meta Information, from which on the digest counts."""
        self._meta = read_meta(bytes(self._head[: META_LIMIT + 16]))
        if self._meta is not None:
            self._digest.update(memoryview(self._head)[self._meta[1] :])
            self._head = bytearray()
        elif len(self._head) > META_LIMIT:
            raise invalid("the File Meta Information has no end")

    def finish(self, check: Callable[[Received], None] = lambda _: None) -> Received:
        """End of the object: parse it and bring it to the disk, unless `check` raises HealixError.

        Raises as `parsed` and `kept`; nothing is left behind then.
        """
        received = self.parsed(check)
        self.kept(received)
        return received

    def parsed(self, check: Callable[[Received], None] = lambda _: None) -> Received:
        """End of the object: what it says. It has to be `kept` then, or aborted.

        Raises Invalid (cannot be understood, truncated), Unprocessable (does not match its File Meta),
        UnsupportedMedia (a transfer syntax that cannot be parsed), TooLarge (a bomb), Full, Unavailable, and what
        `check` raises; nothing is left behind then.
        """
        try:
            received = self._parse()
            check(received)
            self._spool.flush()
        except BaseException:
            self.abort()
            raise
        return received

    def kept(self, received: Received) -> None:
        """Bring it to the disk. Raises Full, Unavailable; nothing is left behind then."""
        try:
            self._archive.keep(self._spool.place, self._spool.descriptor, received.key)
        except BaseException:
            self.abort()
            raise
        self._done = True
        self._spool.close()

    def abort(self) -> None:
        """Drop what has arrived; does nothing after `finish` or a second time."""
        if not self._done:
            self._done = True
            self._spool.discard()

    def _parse(self) -> Received:
        if self._meta is None:
            raise invalid("this is no DICOM file: it ends before its data set")
        meta, start = self._meta
        if meta.sop_class == DIRECTORY_CLASS:
            raise unsupported("this is a DICOMDIR, the index of a medium: send the files that it lists")
        if is_service(meta.sop_class):
            raise unsupported("SOPClassUID is that of a service, not of objects that are stored")
        if self._apart is not None:
            self._apart.check(meta)
        elif meta.sop_class in NON_PATIENT:
            raise unsupported(_elsewhere(meta.sop_class))
        form = syntax(meta.transfer_syntax)
        if form.deflated:
            with tempfile.TemporaryFile(dir=self._archive.incoming) as plain:
                for piece in inflate(self._chunks(start), bound(self._spool.size)):
                    plain.write(piece)
                plain.flush()
                header = _walk(plain.fileno(), 0, meta.transfer_syntax)
        elif (held := self._spool.held) is not None:
            header = _walked(held, start, len(held), meta.transfer_syntax)
        else:
            self._spool.flush()
            header = _walk(self._spool.descriptor, start, meta.transfer_syntax)
        study = "" if self._apart else _identifying(header, STUDY, "StudyInstanceUID")
        instance = _identifying(header, SOP_INSTANCE, "SOPInstanceUID")
        sop_class = _identifying(header, SOP_CLASS, "SOPClassUID")
        _same(sop_class, meta.sop_class, "SOPClassUID")
        _same(instance, meta.sop_instance, "SOPInstanceUID")
        return Received(
            sop_class,
            instance,
            meta.transfer_syntax,
            study,
            "" if self._apart else _identifying(header, SERIES, "SeriesInstanceUID"),
            new_key(study or sop_class, instance, self._spool.name),
            self._spool.size,
            self._digest.digest(),
            header,
            layout(header, meta.transfer_syntax),
            further=() if self._apart else further.values(self._catalogue, header.metadata),
            source=self._source or None,
            lacking=tuple(lacking(sop_class, header.metadata)) if self._compares else (),
        )

    def _chunks(self, position: int) -> Iterator[bytes]:
        self._spool.flush()
        while chunk := os.pread(self._spool.descriptor, READ_CHUNK, position):
            yield chunk
            position += len(chunk)


def _same(within: str, before: str, keyword: str) -> None:
    """The data set is what came before it says: the File Meta Information, or the request of C-STORE."""
    if within != before:
        raise HealixError(
            Category.UNPROCESSABLE, f"the {keyword} of the data set is not that of its header: {within}, but {before}"
        )


def _elsewhere(sop_class: str) -> str:
    """Why an object of no patient is not taken where those of patients are."""
    model = BY_CLASS.get(sop_class)
    place = f"belong to /{model.word} of DICOMweb" if model else "are not kept"
    return f"SOPClassUID is that of objects of no patient, which {place}"


def _walk(descriptor: int, start: int, transfer_syntax: str) -> Header:
    size = os.fstat(descriptor).st_size
    if not size:
        raise invalid("the data set is empty")
    try:
        buffer = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
    except OSError as error:
        raise unavailable(error) from error
    with buffer:
        return _walked(buffer, start, size, transfer_syntax)


def _walked(buffer: bytes | mmap.mmap, start: int, size: int, transfer_syntax: str) -> Header:
    if start >= size:
        raise invalid("the data set is empty")
    return walk(buffer, start, size, syntax(transfer_syntax), KEPT)


def _identifying(header: Header, tag: int, keyword: str) -> str:
    encoded = header.attributes.get(tag)
    if encoded is None:
        raise invalid(f"{keyword} is missing", code="required")
    return check_uid(_sole(encoded) if len(encoded) > SHORT else _remembered(encoded), keyword)


def _sole(encoded: bytes) -> str:
    found = values(encoded)
    return str(found[0]) if len(found) == 1 else ""


@lru_cache(maxsize=256)
def _remembered(encoded: bytes) -> str:
    """The value of a short attribute: class, study and series come with each of their objects."""
    return _sole(encoded)
