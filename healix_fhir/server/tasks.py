"""The durable jobs of the job worker by name, and when those that recur are due: the rooms put together for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

import psycopg

from dicomweb.archive.opening import open_archive
from dicomweb.archive.tiered import TieredArchive
from dicomweb.commitment import asked as commitments
from dicomweb.commitment import sought
from dicomweb.errand import queue as errand_queue
from dicomweb.index import further
from dicomweb.study import indexing, regions
from dicomweb.study.expire import expire
from dicomweb.study.integrity import check, damaged
from dicomweb.study.purge import purge
from dicomweb.study.receive import Receiver
from dicomweb.study.relabel import asked as relabel
from dicomweb.study.relabel.perform import perform
from dicomweb.study.sweep import sweep
from dicomweb.study.tiers import move_old
from dicomweb.workitem import indexing as worklist_indexing
from dicomweb.workitem import retention
from healix_fhir.bulk import job as bulk_job
from healix_fhir.bulk.export import Exporter
from healix_fhir.bulk.store import open_store
from healix_fhir.bulk.sweep import SWEEP, clear
from healix_fhir.bulk.sweep import sweep as sweep_bulk
from healix_fhir.care.calendar import filling, reminding, telling, waiting
from healix_fhir.care.goals import follow as goals
from healix_fhir.care.reports import link
from healix_fhir.kernel import clock, sms
from healix_fhir.kernel.database import one, open_pool, run, transaction, watched
from healix_fhir.kernel.jobs import Task, forget
from healix_fhir.kernel.log import get_logger
from healix_fhir.kernel.mail import queue as mail
from healix_fhir.kernel.settings import Settings
from healix_fhir.operation.imaging_report.signing import FILE
from healix_fhir.operation.prescription.kept import FILE as KEEP
from healix_fhir.search.reindex import reindexed
from healix_fhir.server.importing import journal
from healix_fhir.server.importing.bulk import Importer
from healix_fhir.server.partition.statistics import refresh
from healix_fhir.store.reindexing import TASK
from healix_fhir.subscription.sweep import sweep as sweep_subscriptions
from smart_auth import store as access
from smart_auth.account import tickets

log = get_logger("worker")

SCHEDULES = {
    "archive.sweep": "17 * * * *",
    "access.sweep": "47 * * * *",
    "studies.purge": "37 * * * *",
    "studies.expire": "7 2 * * *",
    "partitions.analyze": "27 3 * * *",
    "archive.check": "27 * * * *",
    "worklist.sweep": "22 * * * *",
    "archive.move": "57 * * * *",
    "errands.sweep": "42 * * * *",
    "jobs.sweep": "2 * * * *",
    regions.TASK: "47 * * * *",
    "subscriptions.sweep": "52 * * * *",
    SWEEP: "32 * * * *",
    "goals.follow": "12 */6 * * *",
    filling.ROLL: "12 1 * * *",
    waiting.TASK: "* * * * *",
}
"""Cron lines by task."""


def tasks(settings: Settings) -> Mapping[str, Task]:
    """The durable jobs by name."""
    return {
        "archive.sweep": lambda: _sweep(settings),
        "worklist.sweep": lambda: _sweep_worklist(settings),
        "access.sweep": lambda: _sweep_access(settings),
        "studies.purge": lambda: _purge(settings),
        "errands.sweep": lambda: _sweep_errands(settings),
        "jobs.sweep": lambda: _sweep_jobs(settings),
        "subscriptions.sweep": lambda: _sweep_subscriptions(settings),
        "archive.check": lambda: _check(settings),
        "archive.move": lambda: _move(settings),
        "studies.expire": lambda: _expire(settings),
        "partitions.analyze": lambda: _analyze(settings),
        TASK: lambda run: _reindex(settings, run),
        indexing.TASK: lambda: _index(settings),
        regions.TASK: lambda: _read_regions(settings),
        indexing.STUDY_TASK: lambda study: _index_study(settings, study),
        worklist_indexing.TASK: lambda: _index_worklist(settings),
        relabel.TASK: lambda number: _relabel(settings, number),
        bulk_job.TASKS[bulk_job.EXPORT]: lambda job: _export(settings, job),
        bulk_job.TASKS[bulk_job.IMPORT]: lambda job: _import(settings, job),
        bulk_job.TASKS[bulk_job.REPORT]: lambda job: _report(settings, job),
        bulk_job.CLEAR: lambda job: _clear(settings, job),
        SWEEP: lambda: _sweep_bulk(settings),
        "goals.follow": lambda: _follow_goals(settings),
        filling.TASK: lambda source: _fill(settings, source),
        filling.ROLL: lambda: _roll(settings),
        waiting.TASK: lambda: _tend(settings),
        FILE: lambda report, version, before: _file(settings, report, version, before),
        KEEP: lambda order, version: _keep(settings, order, version),
        telling.TASK: lambda to, text: sms.send(settings.sms_url, to, text, allow_private=settings.sms_allow_private),
    }


def _analyze(settings: Settings) -> None:
    with psycopg.connect(watched(settings.database_url), autocommit=True) as connection:
        log.info("statistics of partitions made", tables=len(refresh(connection)))


def _follow_goals(settings: Settings) -> None:
    with open_pool(settings.database_url, size=1) as pool:
        moved = sum(goals.follow_all(pool, (settings.fhir_base,), settings.zone))
    log.info("goals looked at", moved=moved)


def _export(settings: Settings, job: str) -> None:
    with open_pool(settings.database_url, size=2) as pool:
        bases, replica = (settings.fhir_base,), settings.database_replica_url
        Exporter(settings.database_url, pool, open_store(settings), bases, settings.bulk_hours, replica).export(job)


def _import(settings: Settings, job: str) -> None:
    with open_pool(settings.database_url, size=2) as pool:
        Importer(settings, pool, open_store(settings)).run(job)


def _report(settings: Settings, job: str) -> None:
    from healix_fhir.care.reports.record.making import Maker

    with open_pool(settings.database_url, size=2) as pool:
        Maker(pool, (settings.fhir_base,), open_archive(settings), settings.bulk_hours).make(job)


def _file(settings: Settings, report: str, version: int, before: str | None) -> None:
    from healix_fhir.imaging.reporting.filing import Filer

    with open_pool(settings.database_url, size=2) as pool:
        Filer(pool, _receiver(settings), (settings.fhir_base,), settings.zone or UTC, settings.language).file(
            report, version, before
        )


def _keep(settings: Settings, order: str, version: int) -> None:
    from healix_fhir.care.prescriptions.filing import file

    with open_pool(settings.database_url, size=1) as pool:
        file(pool, order, version, (settings.fhir_base,), settings.clock)


def _clear(settings: Settings, job: str) -> None:
    with open_pool(settings.database_url, size=1) as pool:
        clear(pool, open_store(settings), job)


def _sweep_bulk(settings: Settings) -> None:
    with open_pool(settings.database_url, size=1) as pool:
        log.info("bulk jobs swept", removed=sweep_bulk(pool, open_store(settings)))


def _fill(settings: Settings, source: str) -> None:
    with open_pool(settings.database_url, size=1) as pool:
        changed = filling.fill(pool, source, settings.clock, settings.calendar_days, (settings.fhir_base,))
    log.info("calendar filled", source=source, changed=changed)


def _roll(settings: Settings) -> None:
    with open_pool(settings.database_url, size=1) as pool:
        found = transaction(pool, filling.sources)
    for source in found:
        _fill(settings, source)


def _tend(settings: Settings) -> None:
    tell = telling.Told(settings.root, settings.clock, bool(settings.sms_url), settings.language)
    bases = (settings.fhir_base,)
    with open_pool(settings.database_url, size=1) as pool:
        ended = transaction(pool, lambda: waiting.expired(bases))
        offers = transaction(pool, lambda: waiting.offered(bases, tell))
        reminders = transaction(pool, lambda: reminding.reminded(tell, settings.reminder_hours, bases))
    if ended or offers or reminders:
        log.info("appointments tended", holds_ended=ended, offers=offers, reminders=reminders)


def _index(settings: Settings) -> None:
    done = 0
    with open_pool(settings.database_url, size=1) as pool:
        for count in indexing.indexed(pool, further.read(settings.dicom_attributes)):
            done += count
            log.info("indexing further DICOM attributes", done=done)


def _read_regions(settings: Settings) -> None:
    done = 0
    with open_pool(settings.database_url, size=1) as pool:
        for count in regions.read(pool):
            done += count
            log.info("reading the anatomic regions of series", done=done)


def _index_worklist(settings: Settings) -> None:
    with open_pool(settings.database_url, size=1) as pool:
        done = sum(worklist_indexing.indexed(pool))
    log.info("workitems indexed", done=done)


def _index_study(settings: Settings, study: str) -> None:
    with open_pool(settings.database_url, size=1) as pool:
        transaction(pool, lambda: indexing.index_study(further.read(settings.dicom_attributes), study))
        sum(regions.read(pool))


def _relabel(settings: Settings, number: int) -> None:
    with open_pool(settings.database_url, size=1) as pool:
        made = perform(pool, _receiver(settings), number)
    log.info("labels of images changed", number=number, state=made.state, instances=made.instances)


def _receiver(settings: Settings) -> Receiver:
    return Receiver(
        open_archive(settings),
        max_object=settings.max_store_gb << 30,
        catalogue=further.read(settings.dicom_attributes),
    )


def _reindex(settings: Settings, run_id: int) -> None:
    with open_pool(settings.database_url, size=1) as pool:
        for step in reindexed(pool, run_id, (settings.fhir_base,)):
            log.info("writing the search index anew", run=run_id, state=step.state, done=step.done, total=step.total)


def _sweep(settings: Settings) -> None:
    with psycopg.connect(watched(settings.database_url), autocommit=True) as connection:
        removed = run(connection, sweep(open_archive(settings)))
    log.info("archive swept", removed=removed)


def _purge(settings: Settings) -> None:
    with psycopg.connect(watched(settings.database_url), autocommit=True) as connection:
        removed = purge(connection, open_archive(settings), settings.deleted_studies_kept)
    log.info("deleted images removed for good", removed=removed)


def _check(settings: Settings) -> None:
    with psycopg.connect(watched(settings.database_url), autocommit=True) as connection:
        checked = sum(1 for _ in check(connection, open_archive(settings), settings.check_mb_per_second << 20))
        found = run(connection, damaged())
    if found:
        log.error("stored images are damaged: healix study damaged", count=len(found))
    log.info("stored images read again", checked=checked)


def _move(settings: Settings) -> None:
    archive = open_archive(settings)
    if not isinstance(archive, TieredArchive):
        return
    with psycopg.connect(watched(settings.database_url), autocommit=True) as connection:
        moved, size = move_old(connection, archive, settings.blob_local_days)
    log.info("old images moved to the object store", moved=moved, bytes=size)


def _expire(settings: Settings) -> None:
    with psycopg.connect(watched(settings.database_url), autocommit=True) as connection:
        expired = sum(1 for _ in expire(connection, clock.now().date()))
    log.info("studies deleted whose time is over", studies=expired)


def _sweep_worklist(settings: Settings) -> None:
    with open_pool(settings.database_url, size=1) as pool:
        removed = 0
        while batch := transaction(pool, lambda: retention.sweep(settings.workitem_days)):
            removed += batch
    log.info("worklist swept", removed=removed)


def _sweep_jobs(settings: Settings) -> None:
    with psycopg.connect(watched(settings.database_url), autocommit=True) as connection:
        run(connection, one(forget()))


def _sweep_errands(settings: Settings) -> None:
    with psycopg.connect(watched(settings.database_url), autocommit=True) as connection:
        for statement in (errand_queue.sweep(), commitments.sweep(), sought.sweep()):
            run(connection, one(statement))


def _sweep_subscriptions(settings: Settings) -> None:
    with open_pool(settings.database_url, size=1) as pool:
        ended = transaction(pool, lambda: sweep_subscriptions((settings.fhir_base,), settings.subscription_hours))
    log.info("subscriptions swept", ended=ended)


def _sweep_access(settings: Settings) -> None:
    with psycopg.connect(watched(settings.database_url), autocommit=True) as connection:
        run(connection, access.sweep())
        for statement in (tickets.sweep(), link.sweep(), mail.sweep(), journal.sweep(), reminding.sweep()):
            run(connection, one(statement))
