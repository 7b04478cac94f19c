"""Small deposits that arrive together share a transaction; each has its outcome, its sender and its own failure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace
from psycopg import OperationalError
from psycopg.errors import DeadlockDetected

from dicomweb.study import deposits as module
from dicomweb.study.deposits import SMALL, Deposits
from dicomweb.study.outcome import Disposition, Outcome
from dicomweb.study.receive import Received
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import open_async_pool
from healix_fhir.kernel.errors import HealixError
from smart_auth.access import AccessContext
from tests.support.dicom import ct, uid
from tests.support.study import SYSTEM, Store, caller

Asked = tuple[AccessContext, Sequence[Received]]
TRANSACTIONS = "SELECT count(DISTINCT xmin::text) FROM instance"
TRAIL = "SELECT request, entity, query FROM audit_event ORDER BY request, entity"


def sender(name: str, access: AccessContext = SYSTEM) -> AccessContext:
    """The same rights in a request of its own."""
    return replace(access, origin=Origin(client="app", request=name))


def stored(url: str, store: Store, asked: Sequence[Asked]) -> list[list[Outcome] | BaseException]:
    """What becomes of deposits that arrive at once."""

    async def main() -> list[list[Outcome] | BaseException]:
        pool = await open_async_pool(url, size=3)
        try:
            deposits = Deposits(pool, store.archive, "STOW-RS")
            return await asyncio.gather(*(deposits.store(*one) for one in asked), return_exceptions=True)
        finally:
            await pool.close()

    return asyncio.run(main())


def statuses(outcomes: Sequence[list[Outcome] | BaseException]) -> list[list[Disposition]]:
    """How each ended, where none failed."""
    return [[one.status for one in each] for each in outcomes if not isinstance(each, BaseException)]


def test_those_that_arrive_together_share_a_transaction(store: Store, database_url: str) -> None:
    """Also into one study; the trail says of each who sent it."""
    files = {"a": [ct(1, 1, 1)], "b": [ct(1, 1, 2), ct(1, 2, 3)], "c": [ct(2, 1, 1)]}
    asked = [(sender(name), [store.receive(file) for file in each]) for name, each in files.items()]
    outcomes = stored(database_url, store, asked)
    new = Disposition.STORED
    assert statuses(outcomes) == [[new], [new, new], [new]]
    instances = [one.sop_instance for each in outcomes if isinstance(each, list) for one in each]
    assert instances == [one.sop_instance for _, objects in asked for one in objects]
    assert store.sql(TRANSACTIONS) == [(1,)]
    assert store.sql(TRAIL) == [("a", uid(1), uid(1, 1, 1)), ("b", uid(1), "2 instances"), ("c", uid(2), uid(2, 1, 1))]
    assert store.sql("SELECT instance_count FROM study ORDER BY study_uid") == [(3,), (1,)]


def test_further_objects_share_one_too(store: Store, database_url: str) -> None:
    """The short statement of series that are there has the senders as well."""
    store.add(ct(1, 1, 1), ct(2, 1, 1))
    asked = [(sender(f"r{study}"), [store.receive(ct(study, 1, 2))]) for study in (1, 2)]
    assert statuses(stored(database_url, store, asked)) == [[Disposition.STORED]] * 2
    assert store.sql(f"{TRANSACTIONS} WHERE instance_uid IN (%s, %s)", uid(1, 1, 2), uid(2, 1, 2)) == [(1,)]
    assert store.sql(TRAIL)[:2] == [("r1", uid(1), uid(1, 1, 2)), ("r2", uid(2), uid(2, 1, 2))]


def test_one_that_is_refused_harms_no_other(store: Store, database_url: str) -> None:
    """Two contents of one instance: one is stored, the other refused, and nothing of it stays; so are others."""
    same = [ct(1, 1, 1, size=8), ct(1, 1, 1, size=16)]
    asked = [(sender(str(n)), [store.receive(file)]) for n, file in enumerate([*same, ct(2, 1, 1)])]
    outcomes = statuses(stored(database_url, store, asked))
    assert {*outcomes[0], *outcomes[1]} == {Disposition.STORED, Disposition.REFUSED}
    assert outcomes[2] == [Disposition.STORED]
    assert len(store.files()) == 2


def test_other_rights_are_asked_for_by_themselves(store: Store, database_url: str) -> None:
    """Who may store nothing is refused beside one who may, and nobody's object is stored in another's name."""
    stranger = sender("stranger", caller("user/ImagingStudy.rs"))
    asked = [(sender("a"), [store.receive(ct(1, 1, 1))]), (stranger, [store.receive(ct(2, 1, 1))])]
    first, second = stored(database_url, store, asked)
    assert statuses([first]) == [[Disposition.STORED]]
    assert isinstance(second, HealixError)
    assert store.sql(TRAIL) == [("a", uid(1), uid(1, 1, 1))]
    assert len(store.files()) == 1


def test_a_large_one_goes_alone(store: Store, database_url: str) -> None:
    """What is stored for many objects gains nothing by company."""
    many = [store.receive(ct(1, 1, n)) for n in range(SMALL + 1)]
    asked = [(sender("many"), many), (sender("one"), [store.receive(ct(2, 1, 1))])]
    assert [len(each) for each in statuses(stored(database_url, store, asked))] == [SMALL + 1, 1]
    assert store.sql(TRANSACTIONS) == [(2,)]


def test_a_lost_database_is_told_to_all(store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their rows may be there, so the blobs stay for the sweep to judge, and nothing is stored a second time."""

    async def lost(*_: object) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(module, "aat_once", lost)
    asked = [(sender(str(n)), [store.receive(ct(n, 1, 1))]) for n in (1, 2)]
    outcomes = stored(database_url, store, asked)
    assert [type(one) for one in outcomes] == [OperationalError, OperationalError]
    assert len(store.files()) == 2
    assert store.sql("SELECT count(*) FROM instance") == [(0,)]


def test_a_lost_race_is_run_again(store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a group that another transaction was quicker than is there: each of its deposits is stored."""

    async def lost(*_: object) -> None:
        raise DeadlockDetected

    monkeypatch.setattr(module, "aat_once", lost)
    asked = [(sender(str(n)), [store.receive(ct(n, 1, 1))]) for n in (1, 2)]
    assert statuses(stored(database_url, store, asked)) == [[Disposition.STORED]] * 2
