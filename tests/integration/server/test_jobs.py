"""Durable jobs outlive their worker; one bad event holds up only itself."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
import pytest
import structlog
from procrastinate.exceptions import ConnectorException
from psycopg import Connection

from healix_fhir.kernel import jobs
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import Row, Statement, Work, one, run
from healix_fhir.kernel.outbox import ATTEMPTS, Event, publish
from tests.support.serve import PATIENCE, wait_until

WORKER = """
import asyncio, sys, time
from pathlib import Path
from healix_fhir.kernel import jobs

url, notes, pause = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
jobs.STALLED = jobs.HEARTBEAT = 2.0

def work(name):
    with notes.open("a") as file:
        file.write(f"begin {name}\\n")
    time.sleep(pause)
    with notes.open("a") as file:
        file.write(f"end {name}\\n")

async def main():
    app = jobs.application(url, {"work": work}, {})
    async with app.open_async():
        worker = asyncio.create_task(app.run_worker_async(
            install_signal_handlers=False, wait=True, fetch_job_polling_interval=0.2,
            update_heartbeat_interval=0.2, stalled_worker_timeout=2.0))
        while not worker.done():
            await jobs.Rescue(app).look()
            await asyncio.sleep(0.2)

asyncio.run(main())
"""


def worker(url: str, notes: Path, *, pause: float) -> subprocess.Popen[bytes]:
    """A job worker of its own whose task notes its beginning and end, `pause` seconds apart."""
    return subprocess.Popen([sys.executable, "-c", WORKER, url, str(notes), str(pause)], stderr=subprocess.DEVNULL)


def test_job_outlives_its_worker(database_url: str, tmp_path: Path) -> None:
    """A job whose worker is killed in the middle is taken up by another worker and done once."""
    notes = tmp_path / "notes"
    notes.touch()
    with psycopg.connect(database_url) as connection:
        run(connection, statement(jobs.enqueue("work", {"name": "export"})))
    first = worker(database_url, notes, pause=60)
    try:
        wait_until(lambda: "begin export" in notes.read_text(), "the job's beginning")
    finally:
        first.kill()
        first.wait()
    second = worker(database_url, notes, pause=0)
    try:
        wait_until(lambda: "end export" in notes.read_text(), "the job's end")
        wait_until(lambda: status(database_url) == ["succeeded"], "the job's success")
    finally:
        second.kill()
        second.wait()
    assert notes.read_text().splitlines() == ["begin export", "begin export", "end export"]


def test_job_of_a_transaction_that_fails(database_url: str) -> None:
    """A job is enqueued with the transaction that asks for it, or not at all."""
    with psycopg.connect(database_url) as connection:
        run(connection, statement(jobs.enqueue("work", {"name": "never"})))
        connection.rollback()
    assert status(database_url) == []


def test_living_jobs_are_left_alone(database_url: str) -> None:
    """Rescue finds nothing where no worker has died."""

    async def rescue() -> list[str]:
        app = jobs.application(database_url, {"work": print}, {})
        async with app.open_async():
            return await jobs.Rescue(app).look()

    with psycopg.connect(database_url) as connection:
        run(connection, statement(jobs.enqueue("work")))
    assert asyncio.run(rescue()) == []


def test_a_dead_workers_job_is_given_back_once(connection: Connection[Row], database_url: str) -> None:
    """Of two workers that see it at once one gives it back; that its worker died is no failure of the job."""

    async def rescued() -> list[list[str]]:
        app = jobs.application(database_url, {"work": print}, {})
        async with app.open_async():
            return list(await asyncio.gather(jobs.Rescue(app).look(), jobs.Rescue(app).look()))

    with connection:
        run(connection, statement(jobs.enqueue("work")))
        connection.execute("UPDATE procrastinate_jobs SET status = 'doing', attempts = 7")
        assert sorted(asyncio.run(rescued())) == [[], ["work"]]
        assert connection.execute("SELECT status::text, attempts FROM procrastinate_jobs").fetchall() == [("todo", 7)]


def test_a_job_whose_end_was_not_told_is_done_again(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the connection is lost when a job has ended, it is under way for the database, and nobody does it."""
    done: list[str] = []

    async def work() -> list[list[str]]:
        app = jobs.application(database_url, {"work": lambda: done.append("once")}, {})
        rescue = jobs.Rescue(app)
        finish, lost, told = app.job_manager.finish_job, asyncio.Event(), asyncio.Event()

        async def lose(*arguments: Any, **named: Any) -> None:
            if not lost.is_set():
                lost.set()
                raise ConnectorException
            await finish(*arguments, **named)
            told.set()

        monkeypatch.setattr(app.job_manager, "finish_job", lose)
        async with app.open_async():
            around: dict[str, Any] = {"worker_middleware": [rescue.around], "fetch_job_polling_interval": 0.1}
            worker = asyncio.create_task(app.run_worker_async(install_signal_handlers=False, **around))
            await asyncio.wait_for(lost.wait(), PATIENCE)
            looks = [await rescue.look()]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(jobs, "monotonic", lambda: monotonic() + jobs.UNTOLD + 1)
                looks.append(await rescue.look())
            await asyncio.wait_for(told.wait(), PATIENCE)
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
        return looks

    with psycopg.connect(database_url) as connection:
        run(connection, statement(jobs.enqueue("work")))
    assert asyncio.run(work()) == [[], ["work"]]
    assert done == ["once", "once"]


def test_jobs_are_left_alone_when_the_clock_was_set_ahead(database_url: str) -> None:
    """Every worker seems to be dead then, until its next sign of life; one that gives none is dead after a while."""

    async def rescued() -> list[int]:
        app = jobs.application(database_url, {"work": print}, {})
        async with app.open_async():
            rescue = jobs.Rescue(app)
            counts = [len(await rescue.look())]
            await app.connector.execute_query_async("UPDATE procrastinate_jobs SET status = 'doing'")
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(jobs, "monotonic", lambda: monotonic() - 1800)
                counts.append(len(await rescue.look()))
            return [*counts, len(await rescue.look())]

    with psycopg.connect(database_url) as connection:
        run(connection, statement(jobs.enqueue("work")))
    assert asyncio.run(rescued()) == [0, 0, 1]


def test_who_died_while_the_clock_was_ahead_is_dead(database_url: str) -> None:
    """A sign of life in time to come keeps the jobs of a worker until the others have had time to give theirs."""

    async def rescued() -> list[int]:
        app = jobs.application(database_url, {"work": print}, {})
        async with app.open_async():
            await app.connector.execute_query_async(
                """WITH ahead AS (INSERT INTO procrastinate_workers (last_heartbeat)
                                  VALUES (now() + interval '30 minutes') RETURNING id)
                   UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM ahead)"""
            )
            counts = [len(await jobs.Rescue(app).look())]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(jobs, "STALLED", 0.0)
                return [*counts, len(await jobs.Rescue(app).look())]

    with psycopg.connect(database_url) as connection:
        run(connection, statement(jobs.enqueue("work")))
    assert asyncio.run(rescued()) == [0, 1]


def test_jobs_that_are_done_are_forgotten(connection: Connection[Row]) -> None:
    """After a week; what failed, what is to be done and what was done lately stays."""
    with connection:
        for status, days in (("succeeded", 8), ("succeeded", 6), ("failed", 8), ("todo", 8)):
            run(connection, statement(jobs.enqueue("work", {"name": f"{status} {days}"})))
            connection.execute("UPDATE procrastinate_jobs SET status = %s WHERE status = 'todo'", (status,))
            connection.execute(
                """UPDATE procrastinate_events SET at = now() - make_interval(days => %s)
                   WHERE job_id = (SELECT max(id) FROM procrastinate_jobs)""",
                (days,),
            )
        assert len(run(connection, one(jobs.forget()))) == 1
        left = connection.execute("SELECT args->>'name' FROM procrastinate_jobs ORDER BY id").fetchall()
        assert left == [("succeeded 6",), ("failed 8",), ("todo 8",)]


class Flaky:
    """A consumer that notes in the database what it handles and fails on payloads that say so."""

    def __init__(self, *statements: str) -> None:
        self.failing = True
        self.statements = statements

    def handle(self, events: Sequence[Event]) -> Work[None]:
        """Note the events; fail after that, so that the notes must be undone."""
        for event in events:
            yield Statement("INSERT INTO handled VALUES (%s)", (event.payload["name"],))
        if self.failing and any(event.payload["name"] == "bad" for event in events):
            for text in self.statements:
                yield Statement(text)
            raise RuntimeError("the consumer fails")


@pytest.fixture
def connection(database_url: str) -> Connection[Row]:
    """A connection to a database with a table of notes."""
    opened = psycopg.connect(database_url, autocommit=True)
    opened.execute("CREATE TABLE handled (name text)")
    return opened


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param((), id="code"),
        pytest.param(("SELECT * FROM nothing",), id="no table"),
        pytest.param(("SELECT repeat('xx', 2147483647)",), id="a limit of the database"),
        pytest.param(("SET LOCAL statement_timeout = 1", "SELECT pg_sleep(5)"), id="too slow"),
    ],
)
def test_bad_event_holds_up_only_itself(connection: Connection[Row], statements: tuple[str, ...]) -> None:
    """An event whose consumer fails is put back with a pause; those beside it are handled once, and it later."""
    consumer = Flaky(*statements)
    with connection, structlog.testing.capture_logs() as logs:
        run(connection, statement(publish([Event("t", {"name": name}) for name in ("a", "bad", "b")])))
        assert drain(connection, {"t": (consumer.handle,)}) == 3
        assert handled(connection) == ["a", "b"]
        assert connection.execute("SELECT attempts, due > now() FROM outbox").fetchall() == [(1, True)]
        assert drain(connection, {"t": (consumer.handle,)}) == 0
        consumer.failing = False
        connection.execute("UPDATE outbox SET due = now()")
        assert drain(connection, {"t": (consumer.handle,)}) == 1
        assert handled(connection) == ["a", "b", "bad"]
        assert connection.execute("SELECT count(*) FROM outbox").fetchall() == [(0,)]
    assert {entry["event"] for entry in logs} == {"consumer failed"}


def test_clock_that_was_set_back(connection: Connection[Row]) -> None:
    """Events that were published or put off while the clock was ahead do not wait until it is there again."""
    consumer = Flaky()
    with connection:
        run(connection, statement(publish([Event("t", {"name": name}) for name in ("new", "put off", "failed")])))
        connection.execute("UPDATE outbox SET due = now() + interval '1 hour'")
        connection.execute("UPDATE outbox SET attempts = 1 WHERE seq > (SELECT min(seq) FROM outbox)")
        connection.execute("UPDATE outbox SET due = now() + '1 min' WHERE seq = (SELECT max(seq) FROM outbox)")
        run(connection, statement(publish([Event("t", {"name": "later"})])))
        connection.execute("UPDATE outbox SET due = now() + '1 min' WHERE seq = (SELECT max(seq) FROM outbox)")
        assert drain(connection, {"t": (consumer.handle,)}) == 2
        assert handled(connection) == ["new", "put off"]


def test_hopeless_event_is_kept(connection: Connection[Row]) -> None:
    """An event that fails every time is tried a limited number of times and then kept for the operator."""
    consumer = Flaky()
    with connection, structlog.testing.capture_logs():
        run(connection, statement(publish([Event("t", {"name": "bad"})])))
        taken = 0
        for _ in range(ATTEMPTS + 2):
            taken += drain(connection, {"t": (consumer.handle,)})
            connection.execute("UPDATE outbox SET due = now()")
        assert taken == ATTEMPTS
        assert connection.execute("SELECT attempts FROM outbox").fetchall() == [(ATTEMPTS,)]
        assert handled(connection) == []


def statement(asked: Statement) -> Work[None]:
    """The use case that is a single statement, whatever it answers."""
    yield asked


def handled(connection: Connection[Row]) -> list[str]:
    """What the consumer has handled, by name."""
    return [name for (name,) in connection.execute("SELECT name FROM handled ORDER BY name")]


def status(url: str) -> list[str]:
    """The states of all jobs."""
    with psycopg.connect(url) as connection:
        return [state for (state,) in connection.execute("SELECT status::text FROM procrastinate_jobs")]


def test_events_of_a_later_version_wait_for_its_worker(connection: Connection[Row]) -> None:
    """A worker leaves events that it knows no consumer of, however many times it looks."""
    consumer = Flaky()
    with connection:
        run(connection, statement(publish([Event("later", {"name": "a"}), Event("t", {"name": "b"})])))
        assert drain(connection, {"t": (consumer.handle,)}) == 1
        assert drain(connection, {"t": (consumer.handle,)}) == 0
        assert handled(connection) == ["b"]
        assert connection.execute("SELECT topic, attempts FROM outbox").fetchall() == [("later", 0)]
        assert drain(connection, {"t": (), "later": (consumer.handle,)}) == 1
        assert handled(connection) == ["a", "b"]


def test_jobs_of_a_later_version_wait_for_its_worker(database_url: str) -> None:
    """A worker leaves jobs whose task it does not know, where it would otherwise give them up."""
    done: list[str] = []

    async def work(tasks: dict[str, jobs.Task]) -> None:
        app = jobs.application(database_url, tasks, {})
        async with app.open_async():
            await app.run_worker_async(install_signal_handlers=False, queues=list(tasks), wait=False)

    with psycopg.connect(database_url, autocommit=True) as connection:
        for task in ("later", "known"):
            run(connection, statement(jobs.enqueue(task)))
        asyncio.run(work({"known": lambda: done.append("known")}))
        assert connection.execute("SELECT task_name, status::text FROM procrastinate_jobs ORDER BY id").fetchall() == [
            ("later", "todo"), ("known", "succeeded"),
        ]  # fmt: skip
        asyncio.run(work({"known": lambda: None, "later": lambda: done.append("later")}))
    assert done == ["known", "later"]
