"""Retrieving instances, their metadata, frames and bulk data: the one service behind WADO-RS, C-MOVE and C-GET.

What `access` may not see is NotFound, like what is not there.
Spec: PS3.18 10.4, PS3.4 C.4.2 and C.4.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import zstandard

from dicomweb.pixel.frames import Ranges, direct, ranges, served_syntax
from dicomweb.pixel.layout import Layout, Pixels
from dicomweb.study.gone import missing
from dicomweb.uid import check_uid, is_uid
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Fragment, Row, Statement, Work
from healix_fhir.kernel.errors import Category, invalid, not_found
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

__all__ = [
    "Frame",
    "Frames",
    "Instance",
    "Pixels",
    "frames",
    "frames_of",
    "instances",
    "laid_out",
    "metadata",
    "select",
]


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
class Frame:
    """One frame as stored: byte ranges (start, length) that, joined, are its bytes."""

    number: int
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames asked for, in the order asked, to be served in `transfer_syntax`.

    When `direct`, the ranges are those of the blob and may be streamed; else, or to decode into another syntax,
    frames are read with dicomweb/pixel/frames.py from `layout`.
    """

    instance: Instance
    pixels: Pixels
    layout: Layout
    transfer_syntax: str
    direct: bool
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Picked:
    """Some of the instances: of those `among` which the condition is met, those whose place `n` of `total` meets
    `places`.
    """

    among: Fragment
    places: str


_FROM = "instance i JOIN series e ON e.pk = i.series_pk JOIN study s ON s.pk = e.study_pk"
_INSTANCE = "s.study_uid, e.series_uid, i.instance_uid, i.sop_class_uid, i.transfer_syntax, i.blob, i.size"
_WIDTH = 7
_ORDER = "e.series_number, e.pk, i.instance_number, i.pk"

KEYS = {
    "PatientID": "s.patient_id",
    "StudyInstanceUID": "s.study_uid",
    "SeriesInstanceUID": "e.series_uid",
    "SOPInstanceUID": "i.instance_uid",
}
"""The unique keys of the levels (PS3.4 C.6.1.1)."""


def instances(
    access: AccessContext, study: str, series: str | None = None, instance: str | None = None
) -> Work[list[Instance]]:
    """The instances of a study, series or a single one, in order of series and instance number; audited.

    Raises Invalid for a malformed UID, NotFound when there are none that `access` may see.
    """
    rows = yield from _rows(access, _asked(study, series, instance), "retrieve")
    if not rows:
        raise (yield from missing(access, _asked(study, series, instance)))
    return [Instance(*row) for row in rows]


def select(access: AccessContext, keys: Sequence[tuple[str, Sequence[str]]]) -> Work[list[Instance]]:
    """The instances that match lists of unique keys (`PatientID`, `StudyInstanceUID`, …): the identifiers of C-MOVE.

    None that match is an empty list here: PS3.4 answers that with success and no sub-operations.
    """
    if not keys or any(keyword not in KEYS for keyword, _ in keys):
        raise invalid("instances are retrieved by the unique keys of their levels")
    wanted = {
        keyword: [value if keyword == "PatientID" else check_uid(value, keyword) for value in values]
        for keyword, values in keys
    }
    rows = yield from _rows(access, wanted, "retrieve")
    return [Instance(*row) for row in rows]


def metadata(
    access: AccessContext, study: str, series: str | None = None, instance: str | None = None, *, base: str
) -> Work[list[bytes]]:
    """The DICOM JSON object of each instance; BulkDataURI is absolute under the DICOMweb base URL `base`.

    Raises as `instances`.
    """
    rows = yield from _rows(access, _asked(study, series, instance), "retrieve-metadata", ", i.metadata")
    if not rows:
        raise (yield from missing(access, _asked(study, series, instance)))
    decompress = zstandard.ZstdDecompressor().decompress
    return [
        absolute(decompress(row[_WIDTH]), f"{base}/studies/{row[0]}/series/{row[1]}/instances/{row[2]}/")
        for row in rows
    ]


def described_instances(
    access: AccessContext, study: str, series: str | None = None, instance: str | None = None
) -> Work[list[tuple[Instance, bytes]]]:
    """The instances to be retrieved, each with its DICOM JSON as it is stored, compressed; audited. Raises as
    `instances`.
    """
    rows = yield from _rows(access, _asked(study, series, instance), "retrieve", ", i.metadata")
    if not rows:
        raise (yield from missing(access, _asked(study, series, instance)))
    return [(Instance(*row[:_WIDTH]), bytes(row[_WIDTH])) for row in rows]


def absolute(json: bytes, url: str) -> bytes:
    """Stored DICOM JSON with absolute BulkDataURIs. The text replaced cannot occur in a value: its quotes would be
    escaped.
    """
    return json.replace(b'"BulkDataURI":"', b'"BulkDataURI":"' + url.encode())


def frames(access: AccessContext, study: str, series: str, instance: str, numbers: Sequence[int]) -> Work[Frames]:
    """Where the frames `numbers` (from 1) of an instance lie. NotFound for a frame that it does not have."""
    found, layout = yield from _layout(access, study, series, instance, "retrieve-frames")
    return frames_of(found, layout, numbers)


def frames_of(instance: Instance, layout: Layout, numbers: Sequence[int]) -> Frames:
    """Some frames of an instance. NotFound for one that it has not, Unsupported when they cannot be told apart."""
    if layout.pixels is None:
        raise not_found("the instance has no such frame")
    return Frames(
        instance,
        layout.pixels,
        layout,
        served_syntax(instance.transfer_syntax),
        direct(instance.transfer_syntax, layout),
        tuple(Frame(number, ranges(layout, number)) for number in numbers),
    )


def laid_out(
    access: AccessContext, study: str, series: str | None = None, instance: str | None = None
) -> Work[list[tuple[Instance, Layout]]]:
    """The instances with where their bulk data lie, to be served; audited. Raises as `instances`."""
    rows = yield from _rows(access, _asked(study, series, instance), "retrieve-bulkdata", ", i.layout")
    if not rows:
        raise (yield from missing(access, _asked(study, series, instance)))
    return [(Instance(*row[:_WIDTH]), msgspec.msgpack.decode(row[_WIDTH], type=Layout)) for row in rows]


def some(
    access: AccessContext, study: str, series: str | None, instance: str | None, subtype: str, *, picked: Picked
) -> Work[list[Row]]:
    """The columns of `Instance`, layout and metadata of those instances that are `picked`; audited as `subtype`. Raises
    Invalid for a malformed UID, Gone for what was deleted.
    """
    wanted = _asked(study, series, instance)
    found = yield from _rows(access, wanted, subtype, ", i.layout, i.metadata", picked=picked)
    if not found and (absent := (yield from missing(access, wanted))).category is Category.GONE:
        raise absent
    return found


def referred_to(access: AccessContext, study: str, instances: Sequence[str], subtype: str) -> Work[list[Row]]:
    """The same columns of those of the named instances that are in a study."""
    wanted = {"StudyInstanceUID": [study], "SOPInstanceUID": [uid for uid in instances if is_uid(uid)]}
    found = yield from _rows(access, wanted, subtype, ", i.layout, i.metadata")
    return found


def layouts(
    access: AccessContext, study: str, series: str | None = None, instance: str | None = None
) -> Work[dict[str, Layout]]:
    """The layouts of instances by SOPInstanceUID; not audited, for those that have just been retrieved."""
    rows = yield from _rows(access, _asked(study, series, instance), None, ", i.layout")
    return {row[2]: msgspec.msgpack.decode(row[_WIDTH], type=Layout) for row in rows}


def _layout(
    access: AccessContext, study: str, series: str, instance: str, subtype: str
) -> Work[tuple[Instance, Layout]]:
    rows = yield from _rows(access, _asked(study, series, instance), subtype, ", i.layout")
    if not rows:
        raise (yield from missing(access, _asked(study, series, instance)))
    return Instance(*rows[0][:_WIDTH]), msgspec.msgpack.decode(rows[0][_WIDTH], type=Layout)


def _asked(study: str, series: str | None, instance: str | None) -> dict[str, list[str]]:
    uids = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": instance}
    return {keyword: [check_uid(value, keyword)] for keyword, value in uids.items() if value is not None}


def _rows(
    access: AccessContext,
    wanted: Mapping[str, Sequence[str]],
    subtype: str | None,
    further: str = "",
    *,
    picked: Picked | None = None,
) -> Work[list[Row]]:
    """The instances with all the keys, `further` columns after those of `Instance`; audited by study. With `picked`
    some of them.

    The patient of the audit row is that of the study, where it is matched.
    """
    access.require("ImagingStudy", Permission.READ)
    keys = [Fragment(f"{KEYS[keyword]} = ANY(%s)", (list(values),)) for keyword, values in wanted.items()]
    parts = [access.represented("ImagingStudy", Permission.READ, "s.pat", "s.imaging_study"), *keys]
    source = f"{_FROM} LEFT JOIN patient_key k ON k.pat = s.pat WHERE {' AND '.join(part.sql for part in parts)}"
    order = f"ORDER BY s.pk, {_ORDER}"
    sql = f"SELECT {_INSTANCE}{further}, k.id FROM {source} {order}"
    params = [param for part in parts for param in part.params]
    if picked is not None:
        params += picked.among.params
        placed = f"row_number() OVER ({order}) AS n, count(*) OVER () AS total"
        sql = f"SELECT * FROM (SELECT {_INSTANCE}{further}, {placed}, k.id FROM {source} AND {picked.among.sql}) x"
        sql += f" WHERE {picked.places} ORDER BY n"
    rows = yield Statement(sql, tuple(params))
    lone = rows[0][2] if len(rows) == 1 else None
    studies = dict.fromkeys((row[0], row[-1]) for row in rows)
    if studies and subtype is not None:
        yield record(
            [
                AuditRow(access.origin, "R", subtype, patient=patient, entity=study, query=lone)
                for study, patient in studies
            ]
        )
    return [row[:-1] for row in rows]
