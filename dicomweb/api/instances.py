"""STOW-RS of instances: each part is a DICOM file, received while it comes.

While the disk or the object store makes one durable, the next ones are received: several at once share what the disk
has to do for them.

Spec: PS3.18 10.5.1.4 (2024d)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

from dicomweb.api.accept import DICOM
from dicomweb.api.intake import Intake
from dicomweb.archive.aside import begun
from dicomweb.study.receive import FileMeta, Incoming, Received
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.media_types import parse_media_type

AHEAD = 4
"""Objects of a request that are made durable while a further one is received; each is an open file."""


class Instances:
    """Takes the parts of one request into `intake`."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._incoming: Incoming | None = None
        self._last: tuple[Incoming, Received] | None = None  # whether another part follows it is not known yet
        self._keeping: deque[tuple[Future[None], Received, FileMeta | None]] = deque()

    def begin(self, headers: Mapping[str, str]) -> None:
        """A part starts; one that is no DICOM file is passed over and reported."""
        self._keep_beside()
        if parse_media_type(headers.get("content-type", DICOM)).name != DICOM:
            self._intake.other_types += 1
            self._intake.refuse(invalid(f"a part is not of type {DICOM}"))
            return
        self._incoming = self._intake.receiver.begin()

    def data(self, piece: bytes | memoryview) -> None:
        """Some bytes of the part."""
        if self._incoming is not None:
            try:
                self._incoming.write(piece)
            except HealixError as error:
                self._refuse(self._incoming, error)

    def end(self) -> None:
        """The part is complete: parsed, and on its way to the disk, or refused with its reason."""
        if self._incoming is None:
            return
        incoming = self._incoming
        try:
            received = incoming.parsed()
        except HealixError as error:
            self._refuse(incoming, error)
            return
        self._incoming = None
        self._last = incoming, received

    def settle(self) -> None:
        """Wait until all parts are durable, or refused with the reason. Beside the last one nothing comes: it needs no
        thread of its own.
        """
        self._wait(0)
        if self._last is not None:
            (incoming, received), self._last = self._last, None
            self._kept(partial(incoming.kept, received), received, incoming.meta)

    def _keep_beside(self) -> None:
        """A further part comes: the one before it is made durable in a thread meanwhile."""
        if self._last is not None:
            (incoming, received), self._last = self._last, None
            self._keeping.append((begun(incoming.kept, received), received, incoming.meta))
            self._wait(AHEAD)

    def _wait(self, ahead: int) -> None:
        """Wait until all but `ahead` of those in threads are durable."""
        while len(self._keeping) > ahead:
            keeping, received, meta = self._keeping.popleft()
            self._kept(keeping.result, received, meta)

    def _kept(self, done: Callable[[], None], received: Received, meta: FileMeta | None) -> None:
        try:
            done()
        except HealixError as error:
            self._intake.refuse(error, meta)
        else:
            self._intake.keep(received, meta)

    def discard(self) -> None:
        """Drop what is still on its way, and what has no rows yet."""
        if self._incoming is not None:
            self._incoming.abort()
        if self._last is not None:
            (incoming, _), self._last = self._last, None
            incoming.abort()
        with suppress(HealixError, IndexError):
            self._wait(0)
        self._intake.discard()

    def _refuse(self, incoming: Incoming, error: HealixError) -> None:
        incoming.abort()
        self._intake.refuse(error, incoming.meta)
        self._incoming = None
