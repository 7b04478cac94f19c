"""A bulk job: begun by a request, done by the job worker, asked for and called off by the client whose it is.

Every start of a job draws the next number of its row (`run`), and what a start says of the job counts only while that
is the number: a worker that was taken for dead and lives changes nothing any more. A job that was called off is cleared
away by a task of its own; until then it answers nobody.

Spec: HL7 Bulk Data Access 2.0.0 export.html; FHIR R4, hl7.org/fhir/R4/async.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any

import msgspec

from healix_fhir.kernel import ids, jobs
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, not_found
from smart_auth.access import AccessContext

EXPORT, IMPORT, UPLOAD, REPORT = "export", "import", "upload", "report"
UPLOADED = "upload"
"""The name of the file of an upload, which is a job that is done when it is there."""
TASKS = {EXPORT: "bulk.export", IMPORT: "bulk.import", REPORT: "bulk.report"}
CLEAR = "bulk.clear"
FORM = re.compile(r"[A-Za-z0-9_-]{43}")
AT_ONCE = 8
"""Jobs of one client that are not done yet; who asks for more waits for one of them."""
SHORTEST, LONGEST = 1, 30
"""Seconds after which a client may ask again how far its job is: a tenth of the job's age, within these."""


class State(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNDER_WAY = [State.WAITING, State.RUNNING]
ANSWERING = [*UNDER_WAY, State.COMPLETED, State.FAILED]


class Failure(msgspec.Struct, frozen=True):
    """Why a job came to nothing, as its client is told."""

    category: str
    message: str
    code: str

    @classmethod
    def of(cls, error: HealixError) -> Failure:
        """What is told of an error."""
        return cls(error.category.value, error.message, error.issues[0].code)

    def error(self) -> HealixError:
        """The error again."""
        return HealixError(Category(self.category), self.message, code=self.code)


class Job(msgspec.Struct, frozen=True):
    """A job as it stands. `age` is its time in seconds, `asked` is JSON of what its `kind` knows."""

    id: str
    kind: str
    request: str
    state: str
    done: int
    note: str
    age: float
    asked: bytes
    access: Mapping[str, str | None]
    failure: Failure | None = None
    place: bytes | None = None
    moment: datetime | None = None
    expires: datetime | None = None


class File(msgspec.Struct, frozen=True):
    """A file of a job: `list` is the manifest's, `key` the file store's."""

    name: str
    list: str
    type: str | None
    count: int
    size: int
    key: str


_FIELDS = (
    "id, kind, request, state, done, note, extract(epoch FROM now() - created)::float8, asked, access, failure, place"
)
_MINE = "client = %s AND account IS NOT DISTINCT FROM %s"
_REVOKED = """(EXISTS (SELECT FROM access_token t WHERE t.hash = j.token AND t.revoked)
  OR EXISTS (SELECT FROM account a WHERE a.username = j.account AND a.disabled)
  OR EXISTS (SELECT FROM client c WHERE c.id = j.client COLLATE "C" AND c.disabled))"""
"""Whether who asked for a job `j` may not ask any more: its token is revoked, its client or account closed."""


def _job(row: Sequence[Any]) -> Job:
    *plain, access, failure, place, moment, expires = row
    return msgspec.convert(
        {
            **dict(zip(("id", "kind", "request", "state", "done", "note", "age", "asked"), plain, strict=True)),
            "access": msgspec.json.decode(access),
            "failure": None if failure is None else msgspec.json.decode(failure),
            "place": place,
            "moment": moment,
            "expires": expires,
        },
        Job,
    )


def whose(access: AccessContext) -> tuple[str, str | None]:
    """Client and person that a job of this access belongs to."""
    return access.origin.client or "", access.origin.account


def begin(kind: str, access: AccessContext, request: str, asked: msgspec.Struct) -> Work[str]:
    """A new job and the task that does it; its id. Raises Busy where the client has too many under way."""
    yield Statement("SELECT pg_advisory_xact_lock(hashtext('bulk_job'), hashtext(%s))", (whose(access)[0],))
    rows = yield Statement(
        f"SELECT count(*) FROM bulk_job WHERE {_MINE} AND state = ANY(%s)", (*whose(access), UNDER_WAY)
    )
    if rows[0][0] >= AT_ONCE:
        raise HealixError(
            Category.BUSY,
            f"this client has {AT_ONCE} bulk jobs under way: wait for one, or cancel it",
            retry_after=LONGEST,
        )
    id_ = ids.secret()
    captured = msgspec.json.encode(access.captured())
    yield Statement(
        """INSERT INTO bulk_job (id, kind, client, account, token, access, request, asked, state)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (id_, kind, *whose(access), access.origin.token, captured, request, msgspec.json.encode(asked), State.WAITING),
    )
    yield jobs.enqueue(TASKS[kind], {"job": id_}, request=access.origin.request)
    return id_


def missing() -> HealixError:
    """The answer for a job that is not there, or another client's."""
    return not_found("there is no such bulk job")


def check_form(id_: str) -> None:
    """Raise NotFound for what cannot be a job's id."""
    if not FORM.fullmatch(id_):
        raise missing()


def find(access: AccessContext, id_: str) -> Work[Job]:
    """The caller's job. Raises NotFound for any other."""
    check_form(id_)
    rows = yield Statement(
        f"SELECT {_FIELDS}, moment, expires FROM bulk_job WHERE id = %s AND {_MINE} AND state = ANY(%s)"
        " AND (expires IS NULL OR expires > now())",
        (id_, *whose(access), ANSWERING),
    )
    if not rows:
        raise missing()
    return _job(rows[0])


def of_file(id_: str, name: str) -> Work[tuple[Job, File]]:
    """A file of a completed job, whoever's; the caller has to see whether it may be had. Raises NotFound."""
    check_form(id_)
    rows = yield Statement(
        f"SELECT {_FIELDS}, moment, expires FROM bulk_job WHERE id = %s AND state = %s AND expires > now()",
        (id_, State.COMPLETED),
    )
    found = {file.name: file for file in (yield from files(id_))} if rows else {}
    if name not in found:
        raise not_found("there is no such file of a bulk job")
    return _job(rows[0]), found[name]


def revoked(id_: str) -> Work[bool]:
    """Whether who asked for the job may not ask any more."""
    rows = yield Statement(f"SELECT 1 FROM bulk_job j WHERE id = %s AND {_REVOKED}", (id_,))
    return bool(rows)


def files(id_: str) -> Work[list[File]]:
    """The files of a job in the order of its manifest."""
    rows = yield Statement(
        "SELECT name, list, type, count, size, key FROM bulk_file WHERE job = %s ORDER BY place", (id_,)
    )
    return [File(*row) for row in rows]


def wait(job: Job) -> int:
    """Seconds after which its client may ask again."""
    return max(SHORTEST, min(LONGEST, int(job.age / 10)))


def polled(job: Job) -> Work[int | None]:
    """Note that a job under way was asked for; None where that was too soon, with nothing noted.

    Half of the time that a client is told to wait is enough: clocks and networks differ. A time later than the longest
    is of before the clock was set back.
    """
    seconds = wait(job)
    rows = yield Statement(
        """UPDATE bulk_job SET next_poll = now() + make_interval(secs => %s)
           WHERE id = %s AND (next_poll IS NULL OR next_poll <= now() OR next_poll > now() + make_interval(secs => %s))
           RETURNING 1""",
        (seconds / 2, job.id, LONGEST),
    )
    return seconds if rows else None


def cancel(access: AccessContext, id_: str) -> Work[Job]:
    """Call off the caller's job, or let go of its files. Raises NotFound."""
    job = yield from find(access, id_)
    yield Statement("UPDATE bulk_job SET state = %s, expires = now() WHERE id = %s", (State.CANCELLED, id_))
    yield jobs.enqueue(CLEAR, {"job": id_})
    return job


class Run(msgspec.Struct, frozen=True):
    """One start of a job."""

    job: Job
    number: int


def start(id_: str) -> Work[Run | None]:
    """Begin a job, anew where another start was cut off; None where there is nothing to do any more."""
    rows = yield Statement(
        f"""UPDATE bulk_job SET state = %s, run = run + 1, done = 0, note = '' WHERE id = %s AND state = ANY(%s)
            RETURNING run, {_FIELDS}, moment, expires""",
        (State.RUNNING, id_, UNDER_WAY),
    )
    return Run(_job(rows[0][1:]), rows[0][0]) if rows else None


class Standing(Enum):
    """Whether a run is to go on."""

    GO = "go on"
    OVER = "called off, or begun anew elsewhere"
    REVOKED = "whoever asked may not ask any more"


def beat(run: Run, done: int, note: str) -> Work[Standing]:
    """Say how far a run is, and hear whether it is to go on.

    A token that has only expired ends nothing: those of backend services live five minutes, and jobs may take longer.
    """
    rows = yield Statement(
        f"""UPDATE bulk_job j SET done = %s, note = %s WHERE id = %s AND run = %s AND state = %s
            RETURNING {_REVOKED}""",
        (done, note, run.job.id, run.number, State.RUNNING),
    )
    if not rows:
        return Standing.OVER
    return Standing.REVOKED if rows[0][0] else Standing.GO


def complete(run: Run, moment: datetime, done: int, made: Sequence[File], hours: int) -> Work[bool]:
    """End a run with its files, kept for so many hours; False where the job was called off meanwhile."""
    rows = yield Statement(
        """UPDATE bulk_job SET state = %s, moment = %s, done = %s, note = '', ended = now(),
             expires = now() + make_interval(hours => %s)
           WHERE id = %s AND run = %s AND state = %s RETURNING 1""",
        (State.COMPLETED, moment, done, hours, run.job.id, run.number, State.RUNNING),
    )
    if not rows:
        return False
    yield Statement("DELETE FROM bulk_file WHERE job = %s", (run.job.id,))
    if made:
        yield Statement(
            """INSERT INTO bulk_file (job, place, name, list, type, count, size, key)
               SELECT %s, x.n, x.name, x.list, x.type, x.count, x.size, x.key
               FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[])
                 WITH ORDINALITY AS x (name, list, type, count, size, key, n)""",
            (
                run.job.id,
                [one.name for one in made],
                [one.list for one in made],
                [one.type for one in made],
                [one.count for one in made],
                [one.size for one in made],
                [one.key for one in made],
            ),
        )
    return True


def note_place(run: Run, place: bytes) -> Statement:
    """Note where a run would go on."""
    return Statement(
        "UPDATE bulk_job SET place = %s WHERE id = %s AND run = %s AND state = %s",
        (place, run.job.id, run.number, State.RUNNING),
    )


def uploaded(id_: str, access: AccessContext, request: str, size: int, hours: int) -> Work[None]:
    """An upload that has come whole, kept for so many hours."""
    captured = msgspec.json.encode(access.captured())
    yield Statement(
        """INSERT INTO bulk_job
             (id, kind, client, account, token, access, request, asked, state, moment, ended, expires)
           VALUES (%s, %s, %s, %s, %s, %s, %s, '{}', %s, now(), now(), now() + make_interval(hours => %s))""",
        (id_, UPLOAD, *whose(access), access.origin.token, captured, request, State.COMPLETED, hours),
    )
    yield Statement(
        """INSERT INTO bulk_file (job, place, name, list, type, count, size, key)
           VALUES (%s, 1, %s, 'upload', NULL, 0, %s, %s)""",
        (id_, UPLOADED, size, f"{id_}/{UPLOADED}"),
    )


def fail(run: Run, error: HealixError, hours: int) -> Work[bool]:
    """End a run that came to nothing; its client is told why for so many hours. False where the job was called off, or
    begun anew elsewhere.
    """
    rows = yield Statement(
        """UPDATE bulk_job SET state = %s, failure = %s, note = '', ended = now(),
             expires = now() + make_interval(hours => %s) WHERE id = %s AND run = %s AND state = %s RETURNING 1""",
        (State.FAILED, msgspec.json.encode(Failure.of(error)), hours, run.job.id, run.number, State.RUNNING),
    )
    return bool(rows)


def forget(id_: str) -> Work[None]:
    """Remove what is noted of a job, after its files."""
    yield Statement("DELETE FROM bulk_file WHERE job = %s", (id_,))
    yield Statement("DELETE FROM bulk_job WHERE id = %s", (id_,))


def over() -> Work[list[str]]:
    """The jobs whose files are to go: their time is over, or they were called off.

    An upload stays while an import that names it is under way.
    """
    rows = yield Statement(
        """SELECT id FROM bulk_job j WHERE expires <= now() AND NOT EXISTS (
             SELECT FROM bulk_job i
             WHERE j.kind = %s AND i.kind = %s AND i.client = j.client AND i.state = ANY(%s)
               AND convert_from(i.asked, 'UTF8')::jsonb -> 'inputs'
                 @> jsonb_build_array(jsonb_build_object('upload', j.id)))
           LIMIT 1000""",
        (UPLOAD, IMPORT, UNDER_WAY),
    )
    return [row[0] for row in rows]


def known(candidates: Sequence[str]) -> Work[set[str]]:
    """Which of these jobs there are."""
    rows = yield Statement("SELECT id FROM bulk_job WHERE id = ANY(%s)", (list(candidates),))
    return {row[0] for row in rows}
