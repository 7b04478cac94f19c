"""Retrieving instances, their metadata, frames and bulk data: the one service behind WADO-RS, C-MOVE and C-GET.

What `access` may not see is NotFound, like what is not there.
Spec: PS3.18 10.4, PS3.4 C.4.2 and C.4.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import zstandard

from dicomweb.dicomjson.syntax import VIDEO
from dicomweb.pixel.frames import Ranges, direct, ranges, served_syntax
from dicomweb.pixel.layout import Layout, Pixels
from dicomweb.study.audited import audited
from dicomweb.study.gone import missing
from dicomweb.uid import check_uid, is_uid
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.conditions import strung
from healix_fhir.kernel.database import Fragment, Row, Statement, Work
from healix_fhir.kernel.errors import Category, invalid, not_found, too_large
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

__all__ = [
    "Frame",
    "Frames",
    "Instance",
    "Pixels",
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


class Described(NamedTuple):
    """An instance and its DICOM JSON as it is stored, compressed; `mark` stands for its row."""

    study: str
    series: str
    instance: str
    metadata: bytes
    transfer_syntax: str
    mark: bytes


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
    """Some of the instances: of those `among` which the condition is met, those whose `place` of `total` meets
    `places`.
    """

    among: Fragment
    places: str


_ABOUT = Fragment(
    "SELECT patient, study_uid AS entity, CASE WHEN sum(count(*)) OVER () = 1 THEN min(instance_uid) END AS query"
    " FROM found GROUP BY study_uid, patient"
)
"""What the audit trail says of rows that are shown: each study, and the instance where it is a single one."""
FROM = "instance i JOIN series e ON e.pk = i.series_pk JOIN study s ON s.pk = e.study_pk"
_TO = "SELECT a.patient, a.entity, concat_ws(' ', a.query, %s::text) AS query FROM ({}) a"
_INSTANCE = "s.study_uid, e.series_uid, i.instance_uid, i.sop_class_uid, i.transfer_syntax, i.blob, i.size"
_WIDTH = 7
AVAILABLE_SYNTAX = "00083002"
_DESCRIBED = "s.study_uid, e.series_uid, i.instance_uid, i.metadata, i.transfer_syntax"
_ORDER = "e.series_number, e.pk, i.instance_number, i.pk"
MARK = "int8send(i.pk) || xidsend(i.xmin) || xidsend(e.xmin)"
"""Which instance a row is and in which version, with its series: another mark, other metadata."""

KEYS = {
    "PatientID": "s.patient_id",
    "StudyInstanceUID": "s.study_uid",
    "SeriesInstanceUID": "e.series_uid",
    "SOPInstanceUID": "i.instance_uid",
}
"""The unique keys of the levels (PS3.4 C.6.1.1)."""


def instances(
    access: AccessContext,
    study: str,
    series: str | None = None,
    instance: str | None = None,
    *,
    subtype: str | None = "retrieve",
) -> Work[list[Instance]]:
    """The instances of a study, series or a single one, in order of series and instance number; audited as `subtype`,
    if any: None is for who audits them when they are shown.

    Raises Invalid for a malformed UID, NotFound when there are none that `access` may see.
    """
    rows = yield from _rows(access, asked(study, series, instance), subtype)
    if not rows:
        raise (yield from missing(access, asked(study, series, instance)))
    return [Instance(*row[:_WIDTH]) for row in rows]


def select(
    access: AccessContext,
    keys: Sequence[tuple[str, Sequence[str]]],
    *,
    receiver: str | None = None,
    most: int | None = None,
) -> Work[list[Instance]]:
    """The instances that match lists of unique keys (`PatientID`, `StudyInstanceUID`, …): the identifiers of C-MOVE.

    None that match is an empty list here: PS3.4 answers that with success and no sub-operations. The trail names the
    `receiver`, where it is another one than who asks. Raises TooLarge for more than `most`.
    """
    if not keys or any(keyword not in KEYS for keyword, _ in keys):
        raise invalid("instances are retrieved by the unique keys of their levels")
    wanted = {
        keyword: [value if keyword == "PatientID" else check_uid(value, keyword) for value in values]
        for keyword, values in keys
    }
    rows = yield from _rows(access, wanted, "retrieve", receiver=receiver, most=most)
    if most is not None and len(rows) > most:
        raise too_large(f"more than {most} instances are not retrieved at once")
    return [Instance(*row[:_WIDTH]) for row in rows]


def metadata(
    access: AccessContext, study: str, series: str | None = None, instance: str | None = None
) -> Work[list[Described]]:
    """The attributes of instances; audited. Raises as `instances`."""
    wanted = asked(study, series, instance)
    rows = yield from _rows(access, wanted, "retrieve-metadata", f"{_DESCRIBED}, {MARK} AS mark")
    if not rows:
        raise (yield from missing(access, wanted))
    return [Described(*row[:6]) for row in rows]


def encoded(found: Iterable[Described], base: str) -> list[bytes]:
    """The DICOM JSON object of each; BulkDataURI is absolute under the DICOMweb base URL `base`. A video says
    that it is one.
    """
    decompress = zstandard.ZstdDecompressor().decompress
    written = []
    for one in found:
        json = decompress(one.metadata)
        if one.transfer_syntax in VIDEO:
            json = available_as(json, one.transfer_syntax)
        written.append(absolute(json, f"{base}/studies/{one.study}/series/{one.series}/instances/{one.instance}/"))
    return written


def described_instances(
    access: AccessContext, study: str, series: str | None = None, instance: str | None = None
) -> Work[list[tuple[Instance, bytes]]]:
    """The instances to be retrieved, each with its DICOM JSON as it is stored, compressed; audited. Raises as
    `instances`.
    """
    rows = yield from _rows(access, asked(study, series, instance), "retrieve", f"{_INSTANCE}, i.metadata")
    if not rows:
        raise (yield from missing(access, asked(study, series, instance)))
    return [(Instance(*row[:_WIDTH]), bytes(row[_WIDTH])) for row in rows]


def available_as(json: bytes, syntax: str) -> bytes:
    """Stored DICOM JSON with the transfer syntax that the instance is had in: by nothing else in it do viewers know
    that they have to play it. Spec: PS3.4 C.6.1.1.5.2 (2024d)
    """
    members = msgspec.json.decode(json, type=dict[str, msgspec.Raw])
    members[AVAILABLE_SYNTAX] = msgspec.Raw(msgspec.json.encode({"vr": "UI", "Value": [syntax]}))
    return msgspec.json.encode(dict(sorted(members.items())))


def absolute(json: bytes, url: str) -> bytes:
    """Stored DICOM JSON with absolute BulkDataURIs. The text replaced cannot occur in a value: its quotes would be
    escaped.
    """
    return json.replace(b'"BulkDataURI":"', b'"BulkDataURI":"' + url.encode())


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
    rows = yield from _rows(access, asked(study, series, instance), "retrieve-bulkdata", f"{_INSTANCE}, i.layout")
    if not rows:
        raise (yield from missing(access, asked(study, series, instance)))
    return [(Instance(*row[:_WIDTH]), msgspec.msgpack.decode(row[_WIDTH], type=Layout)) for row in rows]


def some(
    access: AccessContext, study: str, series: str | None, instance: str | None, subtype: str | None, *, picked: Picked
) -> Work[list[Row]]:
    """The columns of `Instance`, layout and metadata of those instances that are `picked`; audited as `subtype`, if
    any. Raises Invalid for a malformed UID, Gone for what was deleted.
    """
    wanted = asked(study, series, instance)
    found = yield from _rows(access, wanted, subtype, f"{_INSTANCE}, i.layout, i.metadata", picked=picked)
    if not found and (absent := (yield from missing(access, wanted))).category is Category.GONE:
        raise absent
    return found


def referred_to(access: AccessContext, study: str, instances: Sequence[str], subtype: str | None) -> Work[list[Row]]:
    """The same columns of those of the named instances that are in a study."""
    wanted = {"StudyInstanceUID": [study], "SOPInstanceUID": [uid for uid in instances if is_uid(uid)]}
    found = yield from _rows(access, wanted, subtype, f"{_INSTANCE}, i.layout, i.metadata")
    return found


def layouts(
    access: AccessContext, study: str, series: str | None = None, instance: str | None = None
) -> Work[dict[str, Layout]]:
    """The layouts of instances by SOPInstanceUID; not audited, for those that have just been retrieved."""
    rows = yield from _rows(access, asked(study, series, instance), None, f"{_INSTANCE}, i.layout")
    return {row[2]: msgspec.msgpack.decode(row[_WIDTH], type=Layout) for row in rows}


def asked(study: str, series: str | None, instance: str | None) -> dict[str, list[str]]:
    """The unique keys of a request. Raises Invalid for a malformed UID."""
    uids = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": instance}
    return {keyword: [check_uid(value, keyword)] for keyword, value in uids.items() if value is not None}


def within(access: AccessContext, wanted: Mapping[str, Sequence[str]]) -> Fragment:
    """The condition on rows of `FROM` that they have all the keys, and `access` may see them."""
    access.require("ImagingStudy", Permission.READ)
    keys = [Fragment(f"{KEYS[keyword]} = ANY(%s)", (list(values),)) for keyword, values in wanted.items()]
    return strung(" AND ", [access.represented("ImagingStudy", Permission.READ, "s.pat", "s.imaging_study"), *keys])


def _rows(
    access: AccessContext,
    wanted: Mapping[str, Sequence[str]],
    subtype: str | None,
    columns: str = _INSTANCE,
    *,
    picked: Picked | None = None,
    receiver: str | None = None,
    most: int | None = None,
) -> Work[list[Row]]:
    """The `columns` of the instances with all the keys, then others; audited by study. With `picked` some of them; of
    more than `most` one more than that.

    The patient of the audit row is that of the study, where it is matched.
    """
    visible = within(access, wanted)
    source = f"{FROM} LEFT JOIN patient_key k ON k.pat = s.pat WHERE {visible.sql}"
    sql = f"SELECT {columns}, k.id AS patient, row_number() OVER (ORDER BY s.pk, {_ORDER}) AS place"
    found = Fragment(f"{sql} FROM {source}", visible.params)
    if most is not None:
        found = Fragment(f"{found.sql} LIMIT %s", (*found.params, most + 1))
    if picked is not None:
        among = f"{sql}, count(*) OVER () AS total FROM {source} AND {picked.among.sql}"
        found = Fragment(f"SELECT * FROM ({among}) x WHERE {picked.places}", found.params + picked.among.params)
    if subtype is None:
        rows = yield Statement(f"{found.sql} ORDER BY place", found.params)
    else:
        about = _ABOUT if receiver is None else Fragment(_TO.format(_ABOUT.sql), (f"to {receiver}",))
        rows = yield audited(found, about, AuditRow(access.origin, "R", subtype))
    return rows
