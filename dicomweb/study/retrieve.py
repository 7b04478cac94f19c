"""Retrieving instances, their metadata, frames and bulk data: the one service behind WADO-RS, C-MOVE and C-GET.

What `access` may not see is NotFound, like what is not there.
Spec: PS3.18 10.4, PS3.4 C.4.2 and C.4.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from healix_fhir.kernel.database import Work
from smart_auth.access import AccessContext


@dataclass(frozen=True, slots=True)
class Instance:
    """One stored instance: where its Part 10 file is (`key`, `size` bytes) and what it holds."""

    study: str
    series: str
    instance: str
    sop_class: str
    transfer_syntax: str
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class PixelModule:
    """The attributes that describe the pixels of an instance (PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    photometric: str
    planar: int
    frames: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as stored: byte ranges (start, length) of the blob that, joined, are its bytes.

    For the deflated transfer syntax the ranges count in the inflated data set: read them with dicomweb/pixel/frames.py.
    """

    number: int
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames asked for, in the order asked."""

    instance: Instance
    pixels: PixelModule
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Bulk:
    """One bulk data element: its value representation and byte ranges in the blob."""

    instance: Instance
    vr: str
    ranges: tuple[tuple[int, int], ...]


def instances(
    access: AccessContext, study: str, series: str | None = None, instance: str | None = None
) -> Work[list[Instance]]:
    """The instances of a study, series or a single one, in order of series and instance number; audited.

    Raises Invalid for a malformed UID, NotFound when there are none that `access` may see.
    """
    raise NotImplementedError


def select(access: AccessContext, keys: Sequence[tuple[str, Sequence[str]]]) -> Work[list[Instance]]:
    """The instances that match lists of UIDs by keyword (`PatientID`, `StudyInstanceUID`, …): the identifiers of
    C-MOVE and C-GET.

    None that match is an empty list here: PS3.4 answers that with success and no sub-operations.
    """
    raise NotImplementedError


def metadata(
    access: AccessContext, study: str, series: str | None = None, instance: str | None = None, *, base: str
) -> Work[list[bytes]]:
    """The DICOM JSON object of each instance; BulkDataURI is absolute under the DICOMweb base URL `base`."""
    raise NotImplementedError


def frames(access: AccessContext, study: str, series: str, instance: str, numbers: Sequence[int]) -> Work[Frames]:
    """Where the frames `numbers` (from 1) of an instance lie. NotFound for a frame that it does not have."""
    raise NotImplementedError


def bulk(access: AccessContext, study: str, series: str, instance: str, path: str) -> Work[Bulk]:
    """Where a bulk data element lies; `path` is what follows `bulkdata/` in its BulkDataURI."""
    raise NotImplementedError
