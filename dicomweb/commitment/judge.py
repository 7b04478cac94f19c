"""What this server commits itself to: instances whose rows are there and whose bytes lie in the archive, now.

Spec: PS3.4 J.3.3 (2024d), PS3.3 C.14.1.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum

from dicomweb.archive.blobs import Archive, is_whole
from dicomweb.commitment.asked import Commitment
from dicomweb.commitment.references import Reference
from healix_fhir.kernel.arrays import text
from healix_fhir.kernel.database import Statement, Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

PARALLEL = 8


class FailureReason(IntEnum):
    """Spec: PS3.3 C.14.1.1 (2024d)"""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_OBJECT_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    DUPLICATE_TRANSACTION_UID = 0x0131


@dataclass(frozen=True, slots=True)
class Judged:
    """What is committed, and what is not for what reason; `patients` are those of the instances that are there."""

    committed: Sequence[Reference]
    failed: Sequence[tuple[Reference, FailureReason]]
    patients: Sequence[str]


@dataclass(frozen=True, slots=True)
class Found:
    """What is stored under the UID of a reference."""

    sop_class: str
    blob: str
    size: int
    damaged: bool


_FIND = """
SELECT x.place, i.sop_class_uid, i.blob, i.size, d.instance_uid IS NOT NULL, k.id
FROM unnest(%s::text[]) WITH ORDINALITY x (uid, place)
JOIN instance i ON i.instance_uid = x.uid JOIN series e ON e.pk = i.series_pk JOIN study s ON s.pk = e.study_pk
LEFT JOIN damaged_instance d ON d.instance_uid = i.instance_uid LEFT JOIN patient_key k ON k.pat = s.pat
WHERE {open}"""


def look(access: AccessContext, asked: Commitment) -> Work[tuple[dict[Reference, Found], list[str]]]:
    """What of the named instances is stored and open to `access`, with one statement; and the patients of it."""
    open_ = access.represented("ImagingStudy", Permission.READ, "s.pat", "s.imaging_study")
    uids = text(reference.sop_instance for reference in asked.references)
    rows = yield Statement(_FIND.format(open=open_.sql), (uids, *open_.params), prepare=False)
    found = {asked.references[place - 1]: Found(*row) for place, *row, _ in rows}
    return found, sorted({patient for *_, patient in rows if patient is not None})


def judge(archive: Archive, asked: Commitment, found: dict[Reference, Found], patients: Sequence[str]) -> Judged:
    """The answer to each reference. Raises Unavailable when the archive as a whole is away: that loses nothing."""
    if asked.is_duplicate:
        return Judged((), [(one, FailureReason.DUPLICATE_TRANSACTION_UID) for one in asked.references], ())
    sound = [one for one, there in found.items() if there.sop_class == one.sop_class and not there.damaged]
    present = dict(zip(sound, _present(archive, [found[one] for one in sound]), strict=True))
    if not all(present.values()):
        archive.check()
    committed = [one for one in asked.references if present.get(one)]
    failed = [(one, _reason(one, found)) for one in asked.references if not present.get(one)]
    return Judged(committed, failed, patients)


def _reason(reference: Reference, found: dict[Reference, Found]) -> FailureReason:
    there = found.get(reference)
    if there is None:
        return FailureReason.NO_SUCH_OBJECT_INSTANCE
    if there.sop_class != reference.sop_class:
        return FailureReason.CLASS_INSTANCE_CONFLICT
    return FailureReason.PROCESSING_FAILURE


def _present(archive: Archive, blobs: Sequence[Found]) -> list[bool]:
    """Whether each blob is there."""

    def is_there(one: Found) -> bool:
        return is_whole(archive, one.blob, one.size)

    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="commitment") as threads:
        return list(threads.map(is_there, blobs, chunksize=64))
