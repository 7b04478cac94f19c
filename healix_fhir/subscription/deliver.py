"""Delivers notifications: claimed for a while, sent in parallel outside of any transaction, then settled.

Criteria and access are looked at once more when a notification is sent, so that what was deleted, closed or changed
meanwhile does not leave. A worker that dies leaves its claims to others; a receiver may then get a notification
twice. What fails is tried again with growing pauses; after `ATTEMPTS` tries the Subscription gets the status `error`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from psycopg import Connection

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Statement, Work, run
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.subscription.matching import ACTIVE, Active, active, matches
from healix_fhir.subscription.send import Failure, Notice, send
from healix_fhir.subscription.status import stop

ATTEMPTS = 9
FIRST_PAUSE = 2.0
BATCH = 32
PARALLEL = 8
LEASE = 180
"""Seconds in which a claimed batch is surely sent: its four rounds end by their deadlines."""

Sent = tuple[Notice, Failure | None]


def deliverer(bases: tuple[str, ...], *, allow_private: bool) -> Callable[[Connection[Row]], int]:
    """The step that sends due notifications, for a server whose FHIR base URLs are `bases`."""

    def deliver_due(connection: Connection[Row]) -> int:
        with connection.transaction():
            taken, notices, owners = run(connection, _claim(bases))
        if not notices:
            return taken
        with ThreadPoolExecutor(min(PARALLEL, len(notices)), thread_name_prefix="notify") as threads:
            failures = list(threads.map(lambda notice: send(notice, allow_private=allow_private), notices))
        with connection.transaction():
            run(connection, _settle(list(zip(notices, failures, strict=True)), owners, bases))
        return taken

    return deliver_due


def _claim(bases: tuple[str, ...]) -> Work[tuple[int, list[Notice], dict[str, Origin]]]:
    """Take due deliveries; those that no longer match are removed. Subscriptions whose time is over are turned off."""
    ended = yield Statement("SELECT id FROM subscription_active WHERE ends <= now()")
    if ended:
        yield from stop({id_: ("off", None) for (id_,) in ended}, bases)
    rows = yield Statement(
        """UPDATE delivery SET attempts = attempts + 1, due = now() + make_interval(secs => %s)
           WHERE seq IN (SELECT seq FROM delivery WHERE due <= now() ORDER BY due, seq LIMIT %s FOR UPDATE SKIP LOCKED)
           RETURNING seq, subscription, type, id, attempts""",
        (LEASE, BATCH),
    )
    if not rows:
        return 0, [], {}
    lines: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        lines[row[1]].append(row)
    found = yield Statement(ACTIVE.format(condition="s.id = ANY(%s)"), (list(lines),))
    notices: list[Notice] = []
    owners: dict[str, Origin] = {}
    for one in map(active, found):
        owners[one.id] = Origin(one.owner["client"], one.owner["account"])
        notices += yield from _notices(one, lines[one.id], bases[0])
    kept = {notice.seq for notice in notices}
    yield Statement("DELETE FROM delivery WHERE seq = ANY(%s)", ([row[0] for row in rows if row[0] not in kept],))
    return len(rows), notices, owners


def _notices(one: Active, rows: Sequence[Row], base: str) -> Work[list[Notice]]:
    try:
        hits = yield from matches(one, sorted({row[3] for row in rows}), base)
    except HealixError:
        return []
    bodies = {hit.id: bytes(hit.body) for hit in hits}
    return [
        Notice(seq, one.id, type_name, id_, attempts, one.endpoint, one.headers, bodies[id_] if one.full else None)
        for seq, _, type_name, id_, attempts in rows
        if id_ in bodies
    ]


def _settle(sent: Sequence[Sent], owners: dict[str, Origin], bases: tuple[str, ...]) -> Work[None]:
    done = [notice.seq for notice, failure in sent if failure is None]
    failed = [(notice, failure) for notice, failure in sent if failure is not None]
    yield Statement("DELETE FROM delivery WHERE seq = ANY(%s)", (done,))
    still = yield Statement(
        """UPDATE delivery d SET due = now() + make_interval(secs => x.pause)
           FROM unnest(%s::bigint[], %s::float8[]) AS x (seq, pause) WHERE d.seq = x.seq RETURNING d.seq""",
        (
            [notice.seq for notice, _ in failed],
            [FIRST_PAUSE * 2.0 ** (notice.attempts - 1) for notice, _ in failed],
        ),
    )
    patients = yield _patients([notice for notice, _ in sent])
    whose = {(type_id, id_): patient for type_id, id_, patient in patients}
    yield record([_audit(one, owners[one.subscription], failure, whose) for one, failure in sent])
    waiting = {seq for (seq,) in still}  # those of a Subscription that has ended or changed meanwhile are gone
    over: dict[str, tuple[str, str | None]] = {
        notice.subscription: ("error", failure.reason)
        for notice, failure in failed
        if notice.seq in waiting and (failure.final or notice.attempts >= ATTEMPTS)
    }
    if over:
        yield from stop(over, bases)


def _patients(notices: Sequence[Notice]) -> Statement:
    return Statement(
        """SELECT r.type, r.id, k.id FROM resource r JOIN patient_key k ON k.pat = r.pat
           JOIN unnest(%s::smallint[], %s::text[]) AS x (type, id) ON r.type = x.type AND r.id = x.id""",
        ([TYPE_ID[notice.type] for notice in notices], [notice.id for notice in notices]),
    )


def _audit(notice: Notice, owner: Origin, failure: Failure | None, whose: dict[tuple[int, str], str]) -> AuditRow:
    """A notification with a resource tells its receiver what it holds: that is a read by the Subscription's writer."""
    return AuditRow(
        owner,
        "E" if notice.body is None else "R",
        "notification",
        8 if failure else 0,
        patient=whose.get((TYPE_ID[notice.type], notice.id)),
        entity=f"{notice.type}/{notice.id}",
        query=f"Subscription/{notice.subscription}",
    )
