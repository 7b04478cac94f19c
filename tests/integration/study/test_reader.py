"""Single instances: few statements, each caller's own access whatever is remembered, and a true audit trail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from dicomweb.study.reader import Reader
from dicomweb.study.retrieve import frames_of
from healix_fhir.kernel.database import open_async_pool
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext
from tests.support.dicom import ct, uid
from tests.support.query_recorder import query_recorder
from tests.support.study import SYSTEM, Store, caller

T = TypeVar("T")
AUDITED = "SELECT client, entity, query FROM audit_event WHERE subtype = 'retrieve-frames' ORDER BY query"


def reading(database_url: str, use: Callable[[Reader], Awaitable[T]]) -> T:
    """What `use` makes of a reader on the database."""

    async def main() -> T:
        pool = await open_async_pool(database_url, size=4)
        try:
            return await use(Reader(pool))
        finally:
            await pool.close()

    return asyncio.run(main())


async def size_of(reader: Reader, access: AccessContext, number: int = 1, frame: int = 1) -> int:
    """Frame `frame` of an instance of the one series, as its length."""
    uids = uid(1), uid(1, 1), uid(1, 1, number)
    found = await reader.one(
        access, uids, "retrieve-frames", lambda held: frames_of(held.instance, held.layout, [frame])
    )
    return sum(length for _, length in found.frames[0].ranges)


async def refusal(asked: Awaitable[int]) -> tuple[Category, str]:
    """Why it is refused."""
    with pytest.raises(HealixError) as caught:
        await asked
    return caught.value.category, caught.value.message


def test_statements_of_a_frame(store: Store, database_url: str) -> None:
    """The first request takes two statements, a further one of any frame a single one, with its audit row in it."""
    store.add(ct(size=8))

    async def use(reader: Reader) -> list[int]:
        counts = []
        for _ in range(3):
            with query_recorder() as recorded:
                assert await size_of(reader, SYSTEM) == 128
            counts.append(len(recorded))
        return counts

    assert reading(database_url, use) == [2, 1, 1]
    assert store.sql(AUDITED) == [("test", uid(1), uid(1, 1, 1))] * 3


def test_frames_of_one_tick_are_one_statement(store: Store, database_url: str) -> None:
    """However many ask together, they cost two statements, and each is on record."""
    store.add(*(ct(1, 1, number, size=8) for number in range(1, 21)))

    async def use(reader: Reader) -> list[int]:
        return list(await asyncio.gather(*(size_of(reader, SYSTEM, number) for number in range(1, 21))))

    with query_recorder() as recorded:
        assert reading(database_url, use) == [128] * 20
    assert len(recorded) == 2
    assert store.sql(AUDITED) == [("test", uid(1), one) for one in sorted(uid(1, 1, n) for n in range(1, 21))]


@pytest.mark.parametrize("warm", [False, True])
def test_a_frame_that_is_not_there_leaves_no_success(store: Store, database_url: str, *, warm: bool) -> None:
    """Who asks for a frame that an instance has not is told so, and the trail does not say that it was shown."""
    store.add(ct(size=8))

    async def use(reader: Reader) -> tuple[Category, str]:
        if warm:
            await size_of(reader, SYSTEM)
        return await refusal(size_of(reader, SYSTEM, frame=2))

    assert reading(database_url, use) == (Category.NOT_FOUND, "the instance has no such frame")
    assert len(store.sql(AUDITED)) == (1 if warm else 0)


def test_what_is_remembered_opens_nothing(store: Store, database_url: str) -> None:
    """Whoever may not see an instance is answered as if there were none, by as many statements, whatever others have
    just seen of it; who may no longer see it, too.
    """
    store.add(ct(size=8))
    (own,), (other,) = store.sql("INSERT INTO patient_key (id) VALUES ('own'), ('other') RETURNING pat")
    store.sql("UPDATE study SET pat = %s", own)
    access = caller("patient/*.rs", pat=own)
    stranger = caller("patient/*.rs", pat=other)

    async def use(reader: Reader) -> None:
        with query_recorder() as of_nothing:
            nothing = await refusal(size_of(reader, stranger, number=7))
        assert await refusal(size_of(reader, stranger)) == nothing
        assert await size_of(reader, access) == 128
        for frame in (1, 2):
            with query_recorder() as recorded:
                assert await refusal(size_of(reader, stranger, frame=frame)) == nothing
            assert len(recorded) == len(of_nothing)
        forbidden, _ = await refusal(size_of(reader, caller("system/ImagingStudy.s")))
        assert forbidden is Category.FORBIDDEN
        store.sql("UPDATE study SET pat = %s", other)
        assert await refusal(size_of(reader, access)) == nothing
        assert await size_of(reader, stranger) == 128

    reading(database_url, use)
    assert len(store.sql(AUDITED)) == 2


def test_a_replaced_instance_is_read_anew(store: Store, database_url: str) -> None:
    """What is remembered of an instance counts only as long as its row is the same."""
    store.add(ct(size=8))

    async def use(reader: Reader) -> int:
        assert await size_of(reader, SYSTEM) == 128
        store.sql("DELETE FROM study")
        assert (await refusal(size_of(reader, SYSTEM)))[0] is Category.NOT_FOUND
        store.add(ct(size=16))
        return await size_of(reader, SYSTEM)

    assert reading(database_url, use) == 512
