"""The job worker: outbox events to their consumers, notifications, mails, seals of the audit trail, durable jobs."""

from __future__ import annotations

import asyncio
import signal
import threading
from select import select

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.errand.queue import CHANNEL as ERRANDS
from dicomweb.index.further import read
from dicomweb.study import regions
from dicomweb.study.indexing import declare
from dicomweb.workitem.retention import tell_of_restart
from healix_fhir.kernel import jobs
from healix_fhir.kernel.audit_sealing import Sealing
from healix_fhir.kernel.consume import BATCH, drain
from healix_fhir.kernel.database import Row, open_pool, transaction, watched
from healix_fhir.kernel.log import get_logger
from healix_fhir.kernel.outbox import CHANNEL as OUTBOX
from healix_fhir.kernel.settings import Settings
from healix_fhir.kernel.tracing import exporting, tracing
from healix_fhir.operation.publishing import publish
from healix_fhir.operation.reindex import renew
from healix_fhir.server.composition import Step, alerts, consumers, delivery, errands, post
from healix_fhir.server.parameter_watch import heard, watching
from healix_fhir.server.processes import collect_less, using_database
from healix_fhir.server.tasks import SCHEDULES, tasks

IDLE = 0.2
"""Seconds between looks at the outbox; changes to resources are not announced (healix_fhir/store/write.py).

Only a full batch is followed by the next at once: who looks again after every few events of a busy server takes a
transaction for each few, and the time for them from the writers.
"""

RARELY = 1.0
"""Seconds between looks at what is announced, but for that which waits for its time: notifications that were not taken,
mails, errands. Each look is a transaction, and takes its time from the writers.
"""
BY_THE_CLOCK = 0.5
"""Seconds between looks at alerts that are due, which nothing announces."""
AWAY = 2.0
AT_ONCE = 3
"""Errands that are done at once, each at another system."""
SHORT_AT_ONCE = 2
"""Reports and notices that are told at once beside those: who waits for one does not wait for a study to be sent."""
DELIVERERS = 2
"""Deliverers of notifications: who waits for a slow receiver in one does not keep the other from the rest."""
PUT_OFF = 0.5
"""Seconds between looks of one of those that do errands: an upstream that was away has all soon after it is back."""
AT_ONCE_JOBS = 4
"""Durable jobs that are done at once: short ones do not wait for exports and imports."""
log = get_logger("worker")


def run(settings: Settings, *, child: bool = False) -> None:
    """Work until SIGTERM; a job under way is finished or, when it takes too long, given back to the queue."""
    with (
        using_database(settings, child=child) as connected,
        watching(connected.database_url),
        open_pool(connected.database_url, size=1 + AT_ONCE) as pool,
        tracing(exporting(settings)),
    ):
        asyncio.run(_work(connected, pool))


async def _work(settings: Settings, pool: ConnectionPool[Connection[Row]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    halt = threading.Event()
    handle = consumers(settings)
    deliver = delivery(settings, halt)
    send = post(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    seal = Sealing(settings.data_dir)
    do_short, do_long = errands(settings, pool, halt)
    collect_less()
    steps: tuple[tuple[str, Step, str, float], ...] = (
        ("outbox", lambda connection: drain(connection, handle) == BATCH, OUTBOX, IDLE),
        *((f"delivery-{number}", deliver, OUTBOX, RARELY) for number in range(DELIVERERS)),
        ("alerts", alerts(settings), OUTBOX, BY_THE_CLOCK),
        ("mail", send, OUTBOX, RARELY),
        ("audit", seal, OUTBOX, IDLE),
        *((f"short-errands-{number}", do_short, ERRANDS, RARELY) for number in range(SHORT_AT_ONCE)),
        *((f"errands-{number}", do_long, ERRANDS, RARELY if number else PUT_OFF) for number in range(AT_ONCE)),
    )
    threads = [
        threading.Thread(target=_repeat, args=(settings.database_url, step, halt, channel, idle), name=name)
        for name, step, channel, idle in steps
    ]
    for thread in threads:
        thread.start()
    try:
        await _jobs(settings, pool, stop)
    finally:
        halt.set()
        for thread in threads:
            thread.join()


async def _jobs(settings: Settings, pool: ConnectionPool[Connection[Row]], stop: asyncio.Event) -> None:
    """What a start has to do, then durable jobs until `stop` is set."""
    renewed = transaction(pool, renew)
    transaction(pool, tell_of_restart)
    transaction(pool, lambda: publish((settings.fhir_base,)))
    transaction(pool, lambda: declare(read(settings.dicom_attributes)))
    transaction(pool, regions.declare)
    if renewed is not None:
        log.warning("the search index is not whole and is written anew", run=renewed.id, total=renewed.total)
    known = tasks(settings)
    app = jobs.application(settings.database_url, known, SCHEDULES)
    rescue = jobs.Rescue(app)
    async with app.open_async():
        worker = asyncio.create_task(
            app.run_worker_async(
                queues=list(known),
                install_signal_handlers=False,
                concurrency=AT_ONCE_JOBS,
                update_heartbeat_interval=jobs.HEARTBEAT,
                stalled_worker_timeout=jobs.STALLED,
                shutdown_graceful_timeout=20,
                worker_middleware=[rescue.around],
            )
        )
        while not stop.is_set() and not worker.done():
            given_back = await rescue.look()
            if given_back:
                log.warning("jobs that nobody does are taken up again", tasks=given_back)
            await asyncio.wait({asyncio.ensure_future(stop.wait()), worker}, timeout=jobs.HEARTBEAT)
        worker.cancel()
        (ended,) = await asyncio.gather(worker, return_exceptions=True)
    if not stop.is_set():  # it ends of itself where one of its own connections is lost, and has told the log which
        raise psycopg.OperationalError("the queue of jobs has lost its connection") from ended


def _repeat(url: str, step: Step, halt: threading.Event, channel: str, idle: float) -> None:
    """Call `step` as long as it finds work, and again when some is announced on `channel`, or after `idle` seconds;
    connect again when cut off.
    """
    while not halt.is_set():
        try:
            with psycopg.connect(watched(url), autocommit=True) as connection:
                connection.execute("SET synchronous_commit = off")  # what a crash undoes comes back from the outbox
                connection.execute(f"LISTEN {channel}")
                while not halt.is_set():
                    if not step(connection) and not heard(connection):
                        select([connection.fileno()], [], [], idle)  # psycopg would wake ten times a second
                        heard(connection)
        except psycopg.OperationalError:
            log.warning("the database is away", thread=threading.current_thread().name)
            halt.wait(AWAY)
        except Exception:
            log.exception("a step failed, going on", thread=threading.current_thread().name)
            halt.wait(AWAY)
