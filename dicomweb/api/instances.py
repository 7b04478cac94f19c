"""STOW-RS of instances: each part is a DICOM file, received while it comes.

Spec: PS3.18 10.5.1.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping

from dicomweb.api.accept import DICOM
from dicomweb.api.intake import Intake
from dicomweb.study.receive import Incoming
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.media_types import parse_media_type


class Instances:
    """Takes the parts of one request into `intake`."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._incoming: Incoming | None = None

    def begin(self, headers: Mapping[str, str]) -> None:
        """A part starts; one that is no DICOM file is passed over and reported."""
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
        """The part is complete: parsed and durable, or refused with its reason."""
        if self._incoming is None:
            return
        incoming = self._incoming
        try:
            received = incoming.finish()
        except HealixError as error:
            self._refuse(incoming, error)
            return
        self._incoming = None
        self._intake.keep(received, incoming.meta)

    def discard(self) -> None:
        """Drop what is still on its way, and what has no rows yet."""
        if self._incoming is not None:
            self._incoming.abort()
        self._intake.discard()

    def _refuse(self, incoming: Incoming, error: HealixError) -> None:
        incoming.abort()
        self._intake.refuse(error, incoming.meta)
        self._incoming = None
