"""Long work as durable jobs: enqueued in the transaction that asks for it, run by the job worker, resumed after a kill.

Jobs are procrastinate's, with a queue for each task: a worker asks for those that it knows, and leaves those of a later
version to its workers, while nodes of both share the database. A job whose worker died is taken up again by `Rescue`,
so every task must be able to start over or go on from what it has committed. What fails of itself is given up soon,
what finds a part of the server away goes on for a day (`pause`).

See docs/decisions/0198-what-ends-a-job.md
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from healix_fhir.kernel.database import Statement, is_unanswered, watched
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.log import bound_contextvars, get_logger
from healix_fhir.kernel.refusal import is_of_the_statement
from healix_fhir.kernel.tracing import span

if TYPE_CHECKING:
    from procrastinate import App, JobContext
    from procrastinate.worker import Worker

HEARTBEAT = 5.0
STALLED = 15.0
UNTOLD = 60.0
"""Seconds after which a job that has ended here and is still under way for the database was never told of."""
FAILURES = 8
"""A job that fails of itself is given up from so many tries on: after eight minutes;"""
PASSES = 300
"""one that found the database lost, a store away or no room, from so many on: after hours, or a day."""
LONGEST, LONGEST_LOST = 300.0, 60.0
"""Seconds between two tries at most; after the database was lost, which is there again when a job can be taken up."""
PASSING = frozenset({Category.UNAVAILABLE, Category.FULL})
KEPT = 7
"""Days for which jobs that are done can still be looked at; those that failed stay."""

log = get_logger("jobs")

Task = Callable[..., None]


REQUEST = "_request"
"""The argument of a job that is the id of the request which asked for it; it stands in the log, tasks do not get it."""


def enqueue(
    task: str, arguments: Mapping[str, Any] | None = None, *, lock: str | None = None, request: str | None = None
) -> Statement:
    """Enqueue `task` when the caller's transaction commits; jobs of one `lock` run one after the other.

    `request` is the id of the request that asks for it.
    """
    given = dict(arguments or {}) | ({REQUEST: request} if request else {})
    return Statement(
        """SELECT procrastinate_defer_jobs_v1(
             ARRAY[ROW(%s, %s, 0, %s, NULL, %s::jsonb, NULL)::procrastinate_job_to_defer_v1])""",
        (task, task, lock, msgspec.json.encode(given).decode()),
    )


def application(url: str, tasks: Mapping[str, Task], schedules: Mapping[str, str]) -> App:
    """The job application: `tasks` by name (run in threads), `schedules` as cron lines by task name."""
    from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision
    from procrastinate.jobs import Job

    class Retry(BaseRetryStrategy):
        def __init__(self, *, recurs: bool) -> None:
            self._recurs = recurs

        def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
            seconds = pause(exception, job.attempts, recurs=self._recurs)
            return None if seconds is None else RetryDecision(retry_in={"seconds": int(seconds)})

    app = App(connector=PsycopgConnector(conninfo=watched(url), min_size=1, max_size=4))
    for name, function in tasks.items():
        scheduled = name in schedules
        told, retry = _told(name, function), Retry(recurs=scheduled)
        task = app.task(name=name, queue=name, retry=retry)(_without_timestamp(told) if scheduled else told)
        if scheduled:
            app.periodic(cron=schedules[name])(task)
    return app


def passes(error: BaseException) -> bool:
    """Whether a job ended by no fault of its own: the database or a store is away, or one of them has no room."""
    if isinstance(error, HealixError):
        return error.category in PASSING
    return isinstance(error, psycopg.Error) and not is_of_the_statement(error)


def pause(error: BaseException, tries: int, *, recurs: bool) -> float | None:
    """Seconds until a job is tried again which `error` has ended, after `tries` others; None: it is given up.

    What recurs has a next time, and is not tried for a day.
    """
    passing = passes(error)
    if tries >= (PASSES if passing and not recurs else FAILURES):
        return None
    lost = isinstance(error, psycopg.Error) and is_unanswered(error)
    return min(2.0 ** (tries + 1), LONGEST_LOST if lost else LONGEST)


def _told(name: str, function: Task) -> Task:
    """A task whose log lines name it and the request that asked for it, and which tells how it ended."""

    def run(**arguments: Any) -> None:
        request = arguments.pop(REQUEST, None)
        asked = {"request": request} if request else {}
        with bound_contextvars(job=name, **asked), span(f"job {name}", **asked):
            function(**arguments)
            (log.info if request else log.debug)("job done")

    return run


def _without_timestamp(function: Task) -> Task:
    def run(timestamp: int = 0) -> None:
        function()

    return run


class Rescue:
    """Gives jobs back to the queue that nobody does: those of dead workers, and those that the worker of this process
    has ended without the database being told of it, as the connection was lost just then.

    That is no failure of theirs: it is not counted as one. When the database's clock was set ahead every worker seems
    to be dead until its next sign of life: nobody is taken for dead then. When it was set back every one has given a
    sign in time to come; who gives no other died while the clock was ahead.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._ahead: float | None = None
        self._rests = self._settled = 0.0
        self._worker: int | None = None
        self._ended: dict[int, float] = {}

    async def around(self, do: Callable[[], Awaitable[Any]], context: JobContext, worker: Worker) -> Any:
        """Do a job and note its end: a middleware of the worker of this process."""
        number = context.job.id or 0
        self._worker = worker.worker_id
        self._ended.pop(number, None)
        try:
            return await do()
        finally:
            self._ended[number] = monotonic()

    async def look(self) -> list[str]:
        """Look once; returns the tasks of the jobs that were given back.

        Raises OperationalError where the database does not answer.
        """
        from procrastinate.exceptions import ConnectorException

        try:
            return await self._look()
        except ConnectorException as error:
            raise psycopg.OperationalError("the queue of jobs cannot be reached") from error

    async def _look(self) -> list[str]:
        (row,) = await self._app.connector.execute_query_all_async(
            "SELECT extract(epoch FROM now())::float8 AS seconds"
        )
        moment = monotonic()
        ahead = row["seconds"] - moment
        if self._ahead is None or ahead - self._ahead < -HEARTBEAT:
            self._settled = moment + STALLED
        elif ahead - self._ahead > HEARTBEAT:
            self._rests = moment + STALLED
        self._ahead = ahead
        if moment < self._rests:
            return []
        long_ago = [number for number, when in self._ended.items() if moment - when > UNTOLD]
        rows = await self._app.connector.execute_query_all_async(
            _GIVE_BACK, seconds=STALLED, settled=moment >= self._settled, worker=self._worker, ended=long_ago
        )
        for number in long_ago:
            del self._ended[number]
        return [row["task_name"] for row in rows]


_GIVE_BACK = """UPDATE procrastinate_jobs j SET status = 'todo', scheduled_at = now()
  WHERE j.status = 'doing' AND (j.worker_id IS NULL
    OR EXISTS (SELECT FROM procrastinate_workers w
               WHERE w.id = j.worker_id AND (w.last_heartbeat < now() - make_interval(secs => %(seconds)s)
                 OR %(settled)s AND w.last_heartbeat > now() + make_interval(secs => %(seconds)s)))
    OR j.worker_id = %(worker)s AND j.id = ANY(%(ended)s))
  RETURNING j.task_name"""
"""One statement, so that of two who look at once one gives a job back, and none that has been taken up meanwhile."""


def forget() -> Statement:
    """Remove what was done long ago: schedules alone make a job a minute. Its rows are their ids."""
    return Statement(
        """DELETE FROM procrastinate_jobs j WHERE j.status = 'succeeded'
             AND NOT EXISTS (SELECT FROM procrastinate_events e
                             WHERE e.job_id = j.id AND e.at > now() - make_interval(days => %s))
           RETURNING j.id""",
        (KEPT,),
    )
