"""Writes that arrive together share a transaction and stay independent."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from healix_fhir.interaction import accept
from healix_fhir.interaction.result import Written
from healix_fhir.interaction.service import SMALL, Interactions
from healix_fhir.kernel.database import arun
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.in_step import Stages
from healix_fhir.model.json import decode
from healix_fhir.search.extract import extracting
from healix_fhir.store.commit import commit_each
from healix_fhir.store.index import IndexRows
from healix_fhir.store.stored import Method
from healix_fhir.store.writer import Writer
from tests.support.fhir_server import SYSTEM, Pool, body, change, of_patient, put, rows, serve, with_scope
from tests.support.query_recorder import query_recorder
from tests.support.resources import observation, patient


def test_one_of_fifty_parallel_updates_wins(pool: Pool, database_url: str) -> None:
    """Of fifty updates that name the same version one is made, the others fail their precondition."""
    put(pool, patient(), "p")

    async def use(server: Interactions) -> list[object]:
        sent = [body(patient(), id="p", name=[{"family": f"Name{n}"}]) for n in range(50)]
        updates = [server.update(SYSTEM, "Patient", "p", one, 1) for one in sent]
        return list(await asyncio.gather(*updates, return_exceptions=True))

    answers = serve(database_url, use)
    refused = [answer.category for answer in answers if isinstance(answer, HealixError)]
    assert refused == [Category.PRECONDITION_FAILED] * 49
    assert rows(pool, "SELECT version FROM resource WHERE id = 'p'") == [(2,)]


def test_parallel_updates_through_several_servers_all_count(pool: Pool, database_url: str) -> None:
    """Updates without If-Match through several processes make one version each, none is lost."""

    async def one(server: Interactions, name: str) -> None:
        await server.update(SYSTEM, "Patient", "p", body(patient(), id="p", name=[{"family": name}]))

    async def use(server: Interactions) -> None:
        others = [Interactions(server.pool, server.bases) for _ in range(3)]
        await asyncio.gather(*(one(others[n % 3], f"Name{n}") for n in range(30)))

    serve(database_url, use)
    assert rows(pool, "SELECT version FROM resource WHERE id = 'p'") == [(30,)]
    assert rows(pool, "SELECT count(*), count(DISTINCT version) FROM resource_history") == [(29, 29)]
    assert rows(pool, "SELECT count(*) FROM index_string WHERE exact LIKE 'Name%%' AND param IN"
                      " (SELECT min(param) FROM index_string WHERE exact LIKE 'Name%%')") == [(1,)]  # fmt: skip


def test_parallel_creates_share_statements(pool: Pool, database_url: str) -> None:
    """A hundred creates that arrive together cost a handful of statements and make a hundred resources."""

    async def use(server: Interactions) -> list[Written]:
        await server.create(SYSTEM, "Observation", body(observation("Patient/p")))
        with query_recorder() as recorded:
            creates = [server.create(SYSTEM, "Observation", body(observation("Patient/p"))) for _ in range(100)]
            made = await asyncio.gather(*creates)
        assert len(recorded) == 3  # two of a few each, that leave within the tick, and one of the rest
        return list(made)

    made = serve(database_url, use)
    assert len({written.stored.id for written in made}) == 100
    assert rows(pool, "SELECT count(*), count(DISTINCT pk) FROM resource") == [(101, 101)]


def test_a_refused_member_does_not_spoil_its_group(pool: Pool, database_url: str) -> None:
    """Of writes in one group the forbidden one is refused, the others are made."""
    put(pool, patient(), "p")
    bound = of_patient(pool, "q")

    async def use(server: Interactions) -> list[object]:
        writes = [server.create(SYSTEM, "Observation", body(observation("Patient/p"))) for _ in range(3)]
        writes.insert(1, server.create(bound, "Observation", body(observation("Patient/p"))))
        return list(await asyncio.gather(*writes, return_exceptions=True))

    first, refused, *others = serve(database_url, use)
    assert isinstance(refused, HealixError)
    assert refused.category is Category.FORBIDDEN
    assert all(isinstance(written, Written) for written in (first, *others))


def test_each_of_a_group_gets_its_own_answer(pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resources are made in step: whatever is wrong with one, or with who sends it, is told to its caller alone,
    and each of the others is stored and audited as what its own caller sent.
    """
    put(pool, patient(), "p")
    put(pool, patient(), "q")
    of_p, of_q, reader = of_patient(pool, "p"), of_patient(pool, "q"), with_scope("system/Observation.r")

    def broken(resource: dict[str, Any], type_name: str, bases: tuple[str, ...]) -> Stages[IndexRows]:
        if resource.get("status") == "amended":
            raise KeyError("a mistake of ours")
        return (yield from extracting(resource, type_name, bases))

    monkeypatch.setattr(accept, "extracting", broken)
    sent = [
        (of_p, "Observation", body(observation("Patient/p"))),
        (SYSTEM, "Observation", b'{"resourceType":'),
        (SYSTEM, "Observation", body(observation(), status="no such status")),
        (SYSTEM, "Observation", body(patient())),
        (SYSTEM, "Nothing", body(patient())),
        (reader, "Observation", b'{"resourceType":'),  # who may not create is not told what is wrong with the body
        (of_p, "Observation", body(observation("Patient/q"))),
        (SYSTEM, "Observation", body(observation(), status="amended")),
        (of_q, "Observation", body(observation("Patient/q"), note=[{"text": "n" * SMALL}])),
        (SYSTEM, "Patient", body(patient())),
    ]

    async def use(server: Interactions) -> list[object]:
        return list(await asyncio.gather(*(server.create(*one) for one in sent), return_exceptions=True))

    answers = serve(database_url, use)
    told = [answer.category if isinstance(answer, HealixError) else type(answer) for answer in answers]
    assert told == [
        Written, Category.INVALID, Category.INVALID, Category.INVALID, Category.NOT_FOUND, Category.FORBIDDEN,
        Category.FORBIDDEN, KeyError, Written, Written,
    ]  # fmt: skip
    made = [one.stored for one in answers if isinstance(one, Written)]
    audited = rows(pool, "SELECT client, entity FROM audit_event WHERE action = 'C' AND entity NOT IN"
                         " ('Patient/p', 'Patient/q')")  # fmt: skip
    clients = ["app of p", "app of q", SYSTEM.origin.client]
    assert set(audited) == {(who, f"{one.type}/{one.id}") for who, one in zip(clients, made, strict=True)}
    assert [decode(one.body)["resourceType"] for one in made] == ["Observation", "Observation", "Patient"]
    assert [decode(one.body)["subject"]["reference"] for one in made[:2]] == ["Patient/p", "Patient/q"]
    assert rows(pool, "SELECT count(*) FROM resource") == [(5,)]


def test_nothing_is_made_for_who_has_gone(pool: Pool, database_url: str) -> None:
    """Of a group that has not left yet, what a caller sent who is gone by then is not stored; the others' is."""

    async def use(server: Interactions) -> list[object]:
        sent = [
            asyncio.create_task(server.create(SYSTEM, "Observation", body(observation("Patient/p")))) for _ in range(3)
        ]
        await asyncio.sleep(0)  # all have asked, and leave in the loop's next tick
        sent[1].cancel()
        return list(await asyncio.gather(*sent, return_exceptions=True))

    first, gone, last = serve(database_url, use)
    assert isinstance(gone, asyncio.CancelledError)
    assert isinstance(first, Written)
    assert isinstance(last, Written)
    assert {id_ for (id_,) in rows(pool, "SELECT id FROM resource")} == {first.stored.id, last.stored.id}


def test_a_group_that_the_database_refuses_is_tried_singly(pool: Pool, database_url: str) -> None:
    """When a member breaks the group's statement the others are made all the same, and audited once."""

    async def use(server: Interactions) -> list[object]:
        taken = await server.create(SYSTEM, "Patient", body(patient()))
        broken = change(Method.POST, patient(), taken.stored.id)  # its id is taken: the database refuses it
        writes = [server.writing._writer.write(SYSTEM, change(Method.POST, patient(), f"p{n}")) for n in range(3)]
        return list(await asyncio.gather(server.writing._writer.write(SYSTEM, broken), *writes, return_exceptions=True))

    broken, *others = serve(database_url, use)
    assert isinstance(broken, Exception)
    assert not any(isinstance(other, BaseException) for other in others)
    assert rows(pool, "SELECT count(*) FROM resource") == [(4,)]
    assert rows(pool, "SELECT count(*) FROM audit_event WHERE action = 'C'") == [(4,)]


@pytest.mark.parametrize("error", [psycopg.OperationalError("lost"), psycopg.errors.AdminShutdown("ended")])
def test_a_group_whose_answer_is_lost_is_not_tried_again(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch, error: psycopg.Error
) -> None:
    """Of changes that were committed before the connection broke nobody is told that their precondition failed."""
    for id_ in ("p", "q"):
        put(pool, patient(), id_)
    real = Writer._transact

    async def lost(self: Writer, members: Any) -> Any:
        monkeypatch.setattr(Writer, "_transact", real)  # the next try has its answer
        await real(self, members)
        raise error

    async def use(server: Interactions) -> list[object]:
        monkeypatch.setattr(Writer, "_transact", lost)
        changed = [change(Method.PUT, {**patient(), "active": False}, id_, 1) for id_ in ("p", "q")]
        writes = [server.writing._writer.write(SYSTEM, one) for one in changed]
        return list(await asyncio.gather(*writes, return_exceptions=True))

    assert serve(database_url, use) == [error, error]
    assert rows(pool, "SELECT version FROM resource") == [(2,), (2,)]


def test_a_lost_race_for_an_id_is_decided_again(pool: Pool, database_url: str) -> None:
    """Two transactions that bring the same new id: the second waits, then makes version 2."""

    async def use(server: Interactions) -> Written:
        async with server.pool.connection() as connection, connection.transaction():
            await arun(connection, commit_each([(SYSTEM, change(Method.PUT, patient(), "same"))]))
            sent = body(patient(), id="same", active=False)
            task = asyncio.create_task(server.update(SYSTEM, "Patient", "same", sent))
            await asyncio.sleep(0.1)
            assert not task.done()
        return await task

    written = serve(database_url, use)
    assert (written.stored.version, written.created) == (2, False)


def test_texts_that_are_stored_are_not_sent_again(pool: Pool, database_url: str) -> None:
    """The text of a code is written once; a refused resource's text is not taken for stored."""
    codes = [{"text": "Resting pulse"}, {"text": "Pulse at rest"}]

    async def use(server: Interactions) -> None:
        with pytest.raises(HealixError):
            await server.update(
                SYSTEM, "Observation", "o", body(observation("Patient/p"), id="o", code=codes[1]), if_match=7
            )
        for code in [codes[0], *codes]:
            with query_recorder() as recorded:
                await server.create(SYSTEM, "Observation", body(observation("Patient/p"), code=code))
            sent.append("index_text" in recorded[-1])

    sent: list[bool] = []
    serve(database_url, use)
    assert sent == [True, False, True]
    assert rows(pool, "SELECT count(*) FROM index_text WHERE folded LIKE '%%puls%%'") == [(2,)]
