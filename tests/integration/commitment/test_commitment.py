"""Requests for storage commitment: kept before they are answered, and judged by what is durable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dicomweb.commitment import asked, at_once
from dicomweb.commitment.asked import Commitment, find, request
from dicomweb.commitment.judge import FailureReason, Judged, judge, look
from dicomweb.commitment.references import Reference, Request
from dicomweb.study.delete import delete
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import one
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext
from smart_auth.scope import parse
from tests.support.commitment import CT, TRANSACTION
from tests.support.dicom import data_set, part10, uid
from tests.support.query_recorder import query_recorder
from tests.support.study import SYSTEM, Store

MODALITY = AccessContext(parse("system/ImagingStudy.r"), Origin(client="CT1"))


def ask(store: Store, *instances: str, aet: str = "CT1", transaction: str = TRANSACTION, sop_class: str = CT) -> None:
    """Take a request of a peer."""
    references = tuple(Reference(sop_class, one) for one in instances)
    store.run(request(MODALITY, aet, Request(transaction, references)))


def kept(store: Store) -> list[Commitment]:
    """The requests in the order in which they came."""
    found = [store.run(find(pk)) for (pk,) in store.sql("SELECT pk FROM commitment ORDER BY pk")]
    return [one for one in found if one is not None]


def judged(store: Store) -> Judged:
    """What the last request is answered."""
    last = kept(store)[-1]
    return judge(store.archive, last, *store.run(look(MODALITY, last)))


def errands(store: Store) -> list[tuple[str, bool]]:
    """To whom something is still to be said."""
    return store.sql("SELECT receiver, ended IS NULL FROM errand ORDER BY seq")


@pytest.mark.spec("PS3.4 J.3.2.1.3")
def test_request_is_durable_with_its_errand_and_audit_row(store: Store) -> None:
    """When a request was taken its references are kept, an answer is due, and the trail has it under the peer."""
    ask(store, uid(1), uid(2))
    assert kept(store) == [Commitment(TRANSACTION, (Reference(CT, uid(1)), Reference(CT, uid(2))), False)]
    assert errands(store) == [("CT1", True)]
    assert store.sql("SELECT action, subtype, client, entity, query FROM audit_event") == [
        ("E", "storage-commitment", "CT1", TRANSACTION, "2 instances")
    ]


def test_caller_without_the_right_is_refused(store: Store) -> None:
    """Who may not read images may not learn by commitment which are here."""
    stranger = AccessContext(parse("system/ImagingStudy.c"))
    with pytest.raises(HealixError) as raised:
        store.run(request(stranger, "CT1", Request(TRANSACTION, (Reference(CT, uid(1)),))))
    assert raised.value.category is Category.FORBIDDEN
    assert kept(store) == []


@pytest.mark.spec("PS3.4 J.3.3.1.2")
def test_stored_instances_are_committed(store: Store) -> None:
    """What was stored and lies in the archive is committed, in the order in which it was named."""
    store.add(*(part10(data_set(1, 1, n)) for n in (1, 2, 3)))
    ask(store, uid(1, 1, 3), uid(1, 1, 1))
    assert judged(store) == Judged([Reference(CT, uid(1, 1, 3)), Reference(CT, uid(1, 1, 1))], [], [])


def remove(store: Store) -> None:
    """Delete the study."""
    store.run(delete(SYSTEM, uid(1)))


def lose(store: Store) -> None:
    """Lose the file behind the rows."""
    file(store).unlink()


def shorten(store: Store) -> None:
    """Lose a part of the file."""
    file(store).write_bytes(file(store).read_bytes()[:-2])


def damage(store: Store) -> None:
    """A check has found the file damaged."""
    store.sql(
        "INSERT INTO damaged_instance (instance_uid, blob, damage) SELECT instance_uid, blob, 'corrupt' FROM instance"
    )


def file(store: Store) -> Path:
    """The one stored file."""
    ((key,),) = store.sql("SELECT blob FROM instance")
    path = store.archive.path(key)
    assert path is not None
    return path


FAILURES: dict[Callable[[Store], None], FailureReason] = {
    remove: FailureReason.NO_SUCH_OBJECT_INSTANCE,
    lose: FailureReason.PROCESSING_FAILURE,
    shorten: FailureReason.PROCESSING_FAILURE,
    damage: FailureReason.PROCESSING_FAILURE,
}


@pytest.mark.spec("PS3.3 C.14.1.1")
@pytest.mark.parametrize("happens", FAILURES, ids=lambda one: one.__name__)
def test_what_is_not_durable_fails_with_its_reason(store: Store, happens: Callable[[Store], None]) -> None:
    """An instance that was deleted, or whose bytes are not all there, is not committed."""
    store.add(part10(data_set()))
    ask(store, uid(1, 1, 1))
    assert judged(store).failed == []
    happens(store)
    assert judged(store) == Judged([], [(Reference(CT, uid(1, 1, 1)), FAILURES[happens])], [])


@pytest.mark.spec("PS3.3 C.14.1.1")
def test_instance_of_another_class_fails(store: Store) -> None:
    """An instance that is stored under another class than the named one is a conflict."""
    store.add(part10(data_set()))
    ask(store, uid(1, 1, 1), sop_class="1.2.840.10008.5.1.4.1.1.4")
    ((_, reason),) = judged(store).failed
    assert reason is FailureReason.CLASS_INSTANCE_CONFLICT


@pytest.mark.spec("PS3.4 J.3.2.1.2")
def test_repeated_request_is_one(store: Store) -> None:
    """A peer that repeats its request word for word is answered once more, and has one request."""
    ask(store, uid(1))
    store.sql("UPDATE errand SET ended = now()")
    ask(store, uid(1))
    assert len(kept(store)) == 1
    assert errands(store) == [("CT1", True)]


@pytest.mark.spec("PS3.3 C.14.1.1")
@pytest.mark.parametrize("changes", [{"aet": "CT2"}, {"instances": (uid(1, 1, 1), uid(2))}], ids=str)
def test_transaction_uid_is_used_once(store: Store, changes: dict[str, object]) -> None:
    """Another request under a Transaction UID in use fails as a whole, and does not touch the first."""
    store.add(part10(data_set()))
    ask(store, uid(1, 1, 1))
    instances = changes.pop("instances", (uid(1, 1, 1),))
    ask(store, *instances, **changes)  # type: ignore[misc, arg-type]
    assert {reason for _, reason in judged(store).failed} == {FailureReason.DUPLICATE_TRANSACTION_UID}
    assert judged(store).committed == ()
    assert [one.is_duplicate for one in kept(store)] == [False, True]


@pytest.mark.spec("PS3.4 J.3.2")
def test_requests_over_http_use_no_transaction_uid_of_peers(store: Store) -> None:
    """Whoever knows a modality's Transaction UID cannot make its request fail."""
    store.add(part10(data_set()))
    references = (Reference(CT, uid(1, 1, 1)),)
    app = at_once.asking(MODALITY, TRANSACTION, references)
    store.run(at_once.keep(MODALITY, app, judge(store.archive, app, *store.run(look(MODALITY, app)))))
    ask(store, uid(1, 1, 1))
    assert judged(store).committed == [*references]


def test_an_app_has_so_many_requests(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused as busy; another app has room of its own."""
    monkeypatch.setattr(at_once, "MOST_KEPT", 1)

    def keep(number: int, client: str) -> None:
        access = AccessContext(MODALITY.scopes, Origin(client=client))
        app = at_once.asking(access, uid(number), (Reference(CT, uid(1)),))
        store.run(at_once.keep(access, app, judge(store.archive, app, *store.run(look(access, app)))))

    keep(1, "one")
    with pytest.raises(HealixError) as raised:
        keep(2, "one")
    assert raised.value.category is Category.BUSY
    keep(2, "other")


def test_requests_of_an_app_are_counted_by_an_index(store: Store) -> None:
    """Those of others, however many, are not read for it."""
    store.sql(
        """INSERT INTO commitment (transaction_uid, aet, digest, count, list, is_duplicate)
           SELECT '1.' || n, 'CT' || n, '', 0, '', false FROM generate_series(1, 5000) n"""
    )
    store.sql("ANALYZE commitment")
    app = at_once.asking(MODALITY, uid(1), (Reference(CT, uid(1)),))
    work = at_once.keep(MODALITY, app, Judged([], [], []))
    next(work)
    counting = work.send([])
    with store.pool.connection() as connection:
        rows = connection.execute(f"EXPLAIN {counting.sql}", counting.params).fetchall()
    plan = "\n".join(text for (text,) in rows)
    assert "commitment_aet" in plan
    assert "Seq Scan" not in plan


def test_patients_of_what_is_told_are_known(store: Store) -> None:
    """The trail can say of whom a peer was told something."""
    store.add(part10(data_set()))
    store.sql("INSERT INTO patient_key (id) VALUES ('jane')")
    store.sql("UPDATE study SET pat = (SELECT pat FROM patient_key)")
    ask(store, uid(1, 1, 1))
    assert judged(store).patients == ["jane"]


def test_copies_of_research_are_no_answer(store: Store) -> None:
    """Whoever names a de-identified copy does not learn that it is here."""
    store.add(part10(data_set()))
    store.sql("UPDATE study SET pat = -5")
    ask(store, uid(1, 1, 1))
    assert judged(store).committed == []


def test_costs_do_not_depend_on_the_number_of_instances(store: Store) -> None:
    """Thousands of references cost as many statements as one."""
    named = [uid(5, n) for n in range(20_000)]
    many = Request(TRANSACTION, tuple(Reference(CT, one) for one in named))
    few = Request(uid(78), many.references[:1])
    costs = []
    for asked_for in (few, many):
        with query_recorder() as recorded:
            store.run(request(MODALITY, "CT1", asked_for))
            store.run(look(MODALITY, Commitment(asked_for.transaction_uid, asked_for.references, False)))
        costs.append(len(recorded))
    assert costs[0] == costs[1] == 5
    assert len(judged(store).failed) == 20_000


def test_old_transactions_are_forgotten(store: Store) -> None:
    """A Transaction UID is known as used for ninety days."""
    ask(store, uid(1))
    store.run(one(asked.sweep()))
    assert len(kept(store)) == 1
    store.sql("UPDATE commitment SET received = now() - interval '91 days'")
    store.run(one(asked.sweep()))
    assert kept(store) == []
