"""Retrieving and removing objects of no patient.

Spec: PS3.18 12.4, PS3.4 U.4.2, X.4.2, BB.4.2, HH.4.2, II.4.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec
import zstandard

from dicomweb.non_patient.opened import require
from dicomweb.non_patient.store import removed
from dicomweb.pixel.layout import Layout
from dicomweb.study.retrieve import Instance
from dicomweb.uid import check_uid
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import not_found, too_large
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

DELETE = "delete-instances"


@dataclass(frozen=True, slots=True)
class Found:
    """An object: where its file is, where its bulk data are in that, and its DICOM JSON."""

    instance: Instance
    layout: Layout
    metadata: bytes


def find(access: AccessContext, classes: Collection[str], uid: str, word: str = "retrieve") -> Work[Found]:
    """The object `uid` of one of the classes; audited as `word`. Raises Invalid, Forbidden, NotFound."""
    require(access, Permission.READ)
    rows = yield Statement(
        "SELECT instance_uid, sop_class_uid, transfer_syntax, blob, size, layout, metadata FROM non_patient_instance"
        " WHERE instance_uid = %s AND sop_class_uid = ANY(%s)",
        (check_uid(uid, "the UID of the object"), sorted(classes)),
    )
    if not rows:
        raise _missing()
    yield record([AuditRow(access.origin, "R", word, entity=uid)])
    layout, metadata = rows[0][5:]
    return Found(
        Instance("", "", *rows[0][:5]),
        msgspec.msgpack.decode(layout, type=Layout),
        zstandard.ZstdDecompressor().decompress(metadata),
    )


def select(
    access: AccessContext,
    classes: Collection[str],
    uids: Sequence[str],
    *,
    receiver: str | None = None,
    most: int | None = None,
) -> Work[list[Instance]]:
    """Those of the named objects that there are, in the order in which they came; audited, with the `receiver` where it
    is another one than who asks. Raises Invalid, Forbidden, TooLarge for more than `most`.
    """
    require(access, Permission.READ)
    rows = yield Statement(
        "SELECT instance_uid, sop_class_uid, transfer_syntax, blob, size FROM non_patient_instance"
        " WHERE instance_uid = ANY(%s) AND sop_class_uid = ANY(%s) ORDER BY pk",
        ([check_uid(uid, "SOPInstanceUID") for uid in uids], sorted(classes)),
    )
    if most is not None and len(rows) > most:
        raise too_large(f"more than {most} instances are not retrieved at once")
    to = None if receiver is None else f"to {receiver}"
    if rows:
        yield record([AuditRow(access.origin, "R", "retrieve", entity=row[0], query=to) for row in rows])
    return [Instance("", "", *row) for row in rows]


def delete(access: AccessContext, classes: Collection[str], uid: str) -> Work[list[str]]:
    """Remove the object `uid` of one of the classes for good; the keys of blobs that can go once this is committed.

    Raises Invalid, Forbidden, NotFound.
    """
    require(access, Permission.DELETE)
    rows = yield Statement(
        "SELECT FROM non_patient_instance WHERE instance_uid = %s AND sop_class_uid = ANY(%s) FOR UPDATE",
        (check_uid(uid, "the UID of the object"), sorted(classes)),
    )
    if not rows:
        raise _missing()
    unused = yield from removed([uid])
    yield record([AuditRow(access.origin, "D", DELETE, entity=uid)])
    return unused


def _missing() -> Exception:
    return not_found("there is no such object at this address")
