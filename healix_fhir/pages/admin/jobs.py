"""Durable jobs: what waits, runs or was given up, and a button that tries a failed one again.

What a job was asked to do may name people, and is not shown; why it failed is in the log of the job worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work, atransaction
from healix_fhir.kernel.errors import invalid, not_found
from healix_fhir.kernel.outbox import ATTEMPTS
from healix_fhir.pages.admin.gate import at
from healix_fhir.pages.gate import Fields
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.administration import looking
from smart_auth.administration.page import PAGE, Listed, listed
from smart_auth.oauth.sessions import Session

JOBS = "jobs"
LOOKED_AT = 20_000
"""Of the newest jobs so many are looked at, as there is no index over what has ended; and of the oldest events."""
STATES = ("todo", "doing", "failed", "succeeded")
LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True)
class Line:
    """One job; `moment` is when something last became of it."""

    id: int
    task: str
    state: str
    attempts: int
    due: datetime | None
    moment: datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The events of one topic, of the oldest of the outbox, that have not reached all their consumers."""

    topic: str
    count: int
    stuck: int


async def listing(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/jobs, with `state`, and `after` for a further page."""
    state = request.query_params.get("state", "")
    state = state if state in STATES else ""
    after, who = request.query_params.get("after", ""), origin(request, session)
    if after and not _is_number(after):
        raise invalid("That is no job.")
    found, waiting = await atransaction(site.pool, lambda: _found(state, int(after) if after else None, who))
    onward = f"{at(JOBS)}?{urlencode({'state': state, 'after': found.next})}" if found.next else None
    return page(
        "admin/jobs.html",
        username=session.account.username,
        csrf=session.csrf,
        lines=[(line, at(JOBS, str(line.id), "retry")) for line in found.lines],
        waiting=waiting,
        most=LOOKED_AT if sum(one.count for one in waiting) == LOOKED_AT else None,
        state=state,
        states=STATES,
        next=onward,
        first=not after,
    )


async def retry(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/jobs/ID/retry: a job that was given up is tried again."""
    del fields
    id_, who = request.path_params["id"], origin(request, session)
    if not _is_number(id_):
        raise _none()
    await atransaction(site.pool, lambda: _retried(int(id_), who))
    return RedirectResponse(at(JOBS), 303)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER


def _found(state: str, after: int | None, who: Origin) -> Work[tuple[Listed[Line], list[Waiting]]]:
    rows = yield Statement(
        """SELECT j.id, j.task_name, j.status::text, j.attempts, j.scheduled_at,
                  (SELECT max(e.at) FROM procrastinate_events e WHERE e.job_id = j.id)
           FROM (SELECT * FROM procrastinate_jobs WHERE %(after)s::bigint IS NULL OR id < %(after)s
                 ORDER BY id DESC LIMIT %(looked)s) j
           WHERE %(state)s = '' OR j.status::text = %(state)s ORDER BY j.id DESC LIMIT %(most)s""",
        {"after": after, "looked": LOOKED_AT, "state": state, "most": PAGE + 1},
    )
    waiting = yield Statement(
        """SELECT topic, count(*), count(*) FILTER (WHERE attempts >= %s)
           FROM (SELECT topic, attempts FROM outbox ORDER BY seq LIMIT %s) x GROUP BY topic ORDER BY topic""",
        (ATTEMPTS, LOOKED_AT),
    )
    yield looking.listed(who, "job", state=state)
    return listed([Line(*row) for row in rows], lambda line: str(line.id)), [Waiting(*row) for row in waiting]


def _retried(id_: int, who: Origin) -> Work[None]:
    rows = yield Statement(
        "SELECT task_name FROM procrastinate_jobs WHERE id = %s AND status = 'failed' FOR UPDATE", (id_,)
    )
    if not rows:
        raise _none()
    yield Statement("SELECT procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)", (id_,))
    yield Statement("UPDATE procrastinate_jobs SET attempts = 0 WHERE id = %s", (id_,))  # or one more try were the last
    yield record([AuditRow(who, "U", "job", entity=f"job/{id_}", query=rows[0][0])])


def _none() -> Exception:
    return not_found("there is no such job that was given up")
