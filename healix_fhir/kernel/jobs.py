"""Long work as durable jobs: enqueued in the transaction that asks for it, run by the job worker, resumed after a kill.

Jobs are procrastinate's, with a queue for each task: a worker asks for those that it knows, and leaves those of a later
version to its workers, while nodes of both share the database. A job whose worker died is taken up again by `Rescue`,
so every task must be able to start over or go on from what it has committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from healix_fhir.kernel.database import Statement, watched
from healix_fhir.kernel.log import bound_contextvars, get_logger
from healix_fhir.kernel.tracing import span

if TYPE_CHECKING:
    from procrastinate import App

HEARTBEAT = 5.0
STALLED = 15.0
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
    from procrastinate import App, PsycopgConnector, RetryStrategy

    app = App(connector=PsycopgConnector(conninfo=watched(url), min_size=1, max_size=4))
    retry = RetryStrategy(max_attempts=8, exponential_wait=2)
    for name, function in tasks.items():
        scheduled = name in schedules
        told = _told(name, function)
        task = app.task(name=name, queue=name, retry=retry)(_without_timestamp(told) if scheduled else told)
        if scheduled:
            app.periodic(cron=schedules[name])(task)
    return app


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
    """Gives the jobs of dead workers back to the queue.

    When the database's clock was set ahead every worker seems to be dead until its next sign of life: nobody is taken
    for dead then.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._ahead: float | None = None
        self._rests = 0.0

    async def look(self) -> int:
        """Look once; returns how many jobs were given back."""
        (row,) = await self._app.connector.execute_query_all_async(
            "SELECT extract(epoch FROM now())::float8 AS seconds"
        )
        moment = monotonic()
        ahead = row["seconds"] - moment
        if self._ahead is not None and ahead - self._ahead > HEARTBEAT:
            self._rests = moment + STALLED
        self._ahead = ahead
        if moment < self._rests:
            return 0
        stalled = list(await self._app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED))
        for job in stalled:
            await self._app.job_manager.retry_job(job)
        return len(stalled)


def forget() -> Statement:
    """Remove what was done long ago: schedules alone make a job a minute. Its rows are their ids."""
    return Statement(
        """DELETE FROM procrastinate_jobs j WHERE j.status = 'succeeded'
             AND NOT EXISTS (SELECT FROM procrastinate_events e
                             WHERE e.job_id = j.id AND e.at > now() - make_interval(days => %s))
           RETURNING j.id""",
        (KEPT,),
    )
