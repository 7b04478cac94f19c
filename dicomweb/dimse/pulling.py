"""The errand of a pull: a study, a series or an instance that a peer is asked to send here.

By C-MOVE to ourselves, or by C-GET over our own association, from a peer that cannot call this server. What arrives is
stored and audited as everything that the peer sends; over our own association nothing else than what was asked for. A
pull that failed in part is asked for again as a whole: what is here already is not stored twice.

Spec: PS3.4 C.4.2 and C.4.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from threading import Event
from typing import TypeAlias

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dicomjson.model import Members
from dicomweb.dimse.admission import OPENED, Caller
from dicomweb.dimse.associate import OUR_TITLE
from dicomweb.dimse.calling import meaning, remote
from dicomweb.dimse.getting import got
from dicomweb.dimse.peers import Right
from dicomweb.dimse.pushing import ACCESS, asked
from dicomweb.dimse.query_retrieve import Entity
from dicomweb.dimse.reception import Reception
from dicomweb.dimse.requestor import PeerError, Remote
from dicomweb.dimse.retrieving import Moved, keys, moved
from dicomweb.dimse.store import StoreService
from dicomweb.dimse.suboperations import RetrieveStatus
from dicomweb.errand.queue import Errand
from dicomweb.errand.work import WORDS, Done, Performer, RefusedError, StoppedError
from dicomweb.study.receive import SERIES, SOP_INSTANCE, STUDY, Received
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, one, transaction
from healix_fhir.kernel.errors import HealixError, forbidden
from smart_auth.access import AccessContext

Retrieve: TypeAlias = Callable[[Remote, Members], Iterator[Moved]]
"""Has a peer send what an identifier names. Raises as `moved`."""
Heard: TypeAlias = Callable[[Moved], None]


def puller(stop: Event, *, heard: Heard = lambda _: None, leave_off: Callable[[], bool] = lambda: False) -> Performer:
    """What does the errand by C-MOVE; `heard` is told of each response, `leave_off` asked after each: it cancels."""
    return _pulling(lambda to, named: moved(to, named, OUR_TITLE, leave_off=leave_off, stop=stop), heard)


def getter(
    reception: Reception,
    classes: Collection[str],
    pool: ConnectionPool[Connection[Row]],
    stop: Event,
    *,
    heard: Heard = lambda _: None,
    leave_off: Callable[[], bool] = lambda: False,
) -> Performer:
    """What does the errand by C-GET, of objects of these SOP classes."""

    def audit(row: AuditRow) -> None:
        transaction(pool, partial(one, record([row])))

    def get(to: Remote, named: Members) -> Iterator[Moved]:
        access = AccessContext(OPENED[Right.STORE], Origin(client=to.aet))
        caller = Caller(to.aet, frozenset({Right.STORE}), access)
        store = StoreService(caller, classes, reception.receiver, reception.commit, audit, _only(named))
        return got(to, named, sorted(classes), store, leave_off=leave_off, stop=stop)

    return _pulling(get, heard)


def _only(named: Members) -> Callable[[Received], None]:
    """Refuses what is of another study, series or instance than an identifier names."""
    uids = [named[tag].values[0] for tag in (STUDY, SERIES, SOP_INSTANCE) if tag in named]

    def check(received: Received) -> None:
        if [received.study, received.series, received.sop_instance][: len(uids)] != uids:
            raise forbidden("the object is not of what was asked for")

    return check


def _pulling(retrieve: Retrieve, heard: Heard) -> Performer:
    def pull(connection: Connection[Row], errand: Errand) -> Done:
        uids = asked(errand)
        entity = (Entity.STUDY, Entity.SERIES, Entity.IMAGE)[len(uids) - 1]
        to = remote(connection, errand.receiver)
        last: Moved | None = None
        try:
            for last in retrieve(to, keys(entity, uids)):
                heard(last)
        except PeerError as error:
            raise meaning(error) from error
        except HealixError as error:
            raise RefusedError(error.message) from error
        assert last is not None, "a retrieval has a last response"
        if last.status == RetrieveStatus.CANCELLED:
            raise StoppedError
        if last.failed:
            raise RefusedError(f"{last.failed} of {last.total} instances were not sent {last.comment}".rstrip())
        if last.status not in (RetrieveStatus.SUCCESS, RetrieveStatus.WARNING):
            raise RefusedError(f"{to} ends with {last.status:04X}H {last.comment}".rstrip())
        said = f"{last.completed + last.warning} instances from {errand.receiver}"
        return Done(audits=[AuditRow(ACCESS.origin, "E", WORDS[errand.kind], 0, None, uids[0], said)])

    return pull
