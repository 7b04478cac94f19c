"""The parts of a request that sends metadata and bulk data apart: spooled in one file, found again by their names.

Spec: PS3.18 10.5.1.4 and 8.6.1.2 (2024d), RFC 2557 4.2
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from dicomweb.archive.spool import Spool, unavailable
from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.media_types import MediaType

FRAMES = "/frames/"


@dataclass(slots=True)
class Part:
    """One part: its media type, and where its content is in the file. `used`: some metadata name it."""

    media: MediaType
    start: int
    length: int = 0
    used: bool = False


class Parcel:
    """The parts of one request, metadata and bulk data, in the archive's `incoming` directory.

    `base` is the address of the request, against which relative names are read.
    """

    def __init__(self, incoming: Path, base: str) -> None:
        self._spool = Spool(incoming)
        self._base = base
        self._open: Part | None = None
        self.metadata: list[Part] = []
        self._bulk: dict[str, list[Part]] = {}

    @property
    def path(self) -> Path:
        """The file that holds the parts."""
        return self._spool.path

    @property
    def descriptor(self) -> int:
        """The same, open for reading."""
        return self._spool.descriptor

    def begin_metadata(self, media: MediaType) -> None:
        """A part with metadata starts."""
        self._open = Part(media, self._spool.size)
        self.metadata.append(self._open)

    def begin_bulk(self, media: MediaType, location: str) -> None:
        """A part with bulk data starts. Frames may share a name; raises Invalid for other parts that do."""
        self._open = Part(media, self._spool.size)
        named = self._bulk.setdefault(self._absolute(location), [])
        if named and not all(one.media.name.startswith("image/") for one in (*named, self._open)):
            raise invalid("two parts have the same Content-Location", code="structure")
        named.append(self._open)

    def data(self, piece: bytes | memoryview) -> None:
        """Some of the part's content. Raises Full or Unavailable."""
        assert self._open is not None
        self._open.length += len(piece)
        self._spool.write(piece)

    def complete(self) -> None:
        """All parts are there, and can be read from now on. Raises as `data`."""
        self._open = None
        self._spool.flush()

    def find(self, uri: str) -> list[Part]:
        """The parts that a BulkDataURI names: one, or the frames of an image in their order; none where it is nowhere.

        Frames may also be named by their number at the instance, as they are served.
        """
        name = self._absolute(uri)
        found = self._bulk.get(name) or list(self._numbered(name.partition("/bulkdata/")[0]))
        for part in found:
            part.used = True
        return found

    def _numbered(self, instance: str) -> Iterator[Part]:
        number = 1
        while one := self._bulk.get(f"{instance}{FRAMES}{number}"):
            yield one[0]
            number += 1

    def unused(self) -> int:
        """How many parts with bulk data no metadata have named."""
        return sum(not part.used for parts in self._bulk.values() for part in parts)

    def buffer(self) -> mmap.mmap:
        """The file as memory, whose pages the system takes back as it likes. Raises Invalid when it is empty."""
        if not self._spool.size:
            raise invalid("the parts of the request are empty", code="required")
        try:
            return mmap.mmap(self._spool.descriptor, 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise unavailable(error) from error

    def discard(self) -> None:
        """Remove the file."""
        self._spool.discard()

    def _absolute(self, name: str) -> str:
        try:
            return urljoin(self._base, name.strip())
        except ValueError:  # no address at all, but a name all the same
            return name.strip()
