"""How a process takes in what comes over DIMSE, whoever asked for it: one reception for each process.

Spec: PS3.4 B.2 (2024d)
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.opening import open_archive
from dicomweb.dimse.group_commit import Deposit, GroupCommit
from dicomweb.dimse.store import SERVICE
from dicomweb.index.further import read
from dicomweb.non_patient import store as non_patient
from dicomweb.study.outcome import Duplicates
from dicomweb.study.receive import Receiver
from dicomweb.study.store import attempt, attempt_new, deposit
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.settings import Settings


@dataclass(frozen=True, slots=True)
class Reception:
    """What takes objects in, and what stores them, and those of no patient; safe to share between threads."""

    receiver: Receiver
    commit: GroupCommit
    apart: Deposit


def reception(settings: Settings, pool: ConnectionPool[Connection[Row]], *, most: int | None = None) -> Reception:
    """That of the settings, over the database of `pool`; an object has `most` bytes, else as many as they say."""
    archive = open_archive(settings)
    duplicates = Duplicates(settings.duplicates)
    return Reception(
        Receiver(
            archive,
            max_object=settings.max_store_gb << 30 if most is None else most,
            catalogue=read(settings.dicom_attributes),
            compares=settings.compare_sop_classes,
        ),
        GroupCommit(
            lambda access, group: attempt(pool, archive, access, group, SERVICE, duplicates),
            lambda access, group: deposit(pool, archive, access, group, SERVICE, duplicates),
            lambda received: archive.enter([received.key]),
            lambda access, origins, group: attempt_new(pool, archive, access, group, SERVICE, origins),
        ),
        lambda access, group: non_patient.deposit(pool, archive, access, group, SERVICE, duplicates),
    )
