"""Requests that arrive together are answered together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from healix_fhir.kernel import coalesce
from healix_fhir.kernel.coalesce import Coalescer


class Echo:
    """Answers with the items themselves, and remembers in which groups they came."""

    def __init__(self, seconds: float = 0.001) -> None:
        self.groups: list[list[int]] = []
        self.flying = 0
        self.most = 0
        self._seconds = seconds

    async def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        """Answer a group."""
        self.groups.append(list(items))
        self.flying += 1
        self.most = max(self.most, self.flying)
        await asyncio.sleep(self._seconds)
        self.flying -= 1
        return [ValueError(str(item)) if item < 0 else item for item in items]


def test_one_tick_is_one_group() -> None:
    """Everything asked in the same tick goes together, and each gets its own answer."""
    echo = Echo()

    async def main() -> list[int]:
        coalescer = Coalescer(echo, limit=64, flights=2)
        return list(await asyncio.gather(*(coalescer.ask(n) for n in range(10))))

    assert asyncio.run(main()) == list(range(10))
    assert echo.groups == [list(range(10))]


def test_groups_and_flights_are_bounded() -> None:
    """No group passes the limit and no more than the set number are under way."""
    echo = Echo()

    async def main() -> list[int]:
        coalescer = Coalescer(echo, limit=8, flights=2)
        return list(await asyncio.gather(*(coalescer.ask(n) for n in range(50))))

    assert asyncio.run(main()) == list(range(50))
    assert max(map(len, echo.groups)) == 8
    assert echo.most == 2


def test_company_leaves_within_the_tick() -> None:
    """In a long tick the first few leave before the others have asked, and their work has begun by then."""
    echo, begun = Echo(), []

    async def main() -> list[int]:
        coalescer = Coalescer(echo, limit=8, flights=2, company=3)

        async def ask(n: int) -> int:
            begun.append(echo.flying)
            return await coalescer.ask(n)

        return list(await asyncio.gather(*(ask(n) for n in range(10))))

    assert asyncio.run(main()) == list(range(10))
    assert begun == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
    assert echo.groups == [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]


def test_work_without_waiting_is_done_at_once() -> None:
    """Work that ends in its first step has its callers answered and frees its place."""
    groups = []

    async def answer(items: Sequence[int]) -> list[int | Exception]:
        groups.append(list(items))
        return list(items)

    async def main() -> list[int]:
        coalescer: Coalescer[int, int] = Coalescer(answer, limit=8, flights=1, company=2)
        return list(await asyncio.gather(*(coalescer.ask(n) for n in range(5))))

    assert asyncio.run(main()) == list(range(5))
    assert groups == [[0, 1], [2, 3], [4]]


def test_work_that_has_begun_can_be_cancelled() -> None:
    """When the process ends, work is told, may take its time to tidy up, and its callers are cancelled."""
    told = []

    async def answer(items: Sequence[int]) -> list[int | Exception]:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.001)
            told.append(list(items))
            raise
        return list(items)

    async def main() -> list[int | BaseException]:
        coalescer: Coalescer[int, int] = Coalescer(answer, limit=8, flights=1, company=2)
        callers = [coalescer.ask(n) for n in range(2)]
        await asyncio.sleep(0.001)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        return list(await asyncio.gather(*callers, return_exceptions=True))

    assert [type(one) for one in asyncio.run(main())] == [asyncio.CancelledError] * 2
    assert told == [[0, 1]]


def test_one_failure_is_its_own() -> None:
    """An exception among the results reaches the one who asked, and nobody else."""

    async def main() -> list[int | BaseException]:
        coalescer = Coalescer(Echo(), limit=8, flights=2)
        return list(await asyncio.gather(*(coalescer.ask(n) for n in (1, -2, 3)), return_exceptions=True))

    first, second, third = asyncio.run(main())
    assert (first, third) == (1, 3)
    assert isinstance(second, ValueError)


def test_a_failing_flight_frees_its_place() -> None:
    """When the work itself fails, all of its callers hear of it and the next ones are served."""
    fail = True

    async def answer(items: Sequence[int]) -> list[int | Exception]:
        if fail:
            raise ConnectionError("gone")
        return list(items)

    async def main() -> int:
        nonlocal fail
        coalescer: Coalescer[int, int] = Coalescer(answer, limit=8, flights=1)
        for _ in range(3):
            with pytest.raises(ConnectionError):
                await coalescer.ask(1)
        fail = False
        return await coalescer.ask(2)

    assert asyncio.run(main()) == 2


def test_a_caller_who_left_does_not_disturb() -> None:
    """A cancelled request is left out of later groups, the others are answered."""
    echo = Echo()

    async def main() -> int:
        coalescer = Coalescer(echo, limit=8, flights=1)
        first = coalescer.ask(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting = coalescer.ask(2)
        await asyncio.sleep(0)
        waiting.cancel()
        assert await first == 1
        return await coalescer.ask(3)

    assert asyncio.run(main()) == 3
    assert echo.groups == [[1], [3]]


def test_the_first_to_come_back_wait_for_company(monkeypatch: pytest.MonkeyPatch) -> None:
    """While several are being answered, a further group leaves when it is as large."""
    monkeypatch.setattr(coalesce, "PATIENCE", 60.0)
    echo = Echo(seconds=0.5)  # longer than a process may be kept waiting between two ticks

    async def main() -> None:
        coalescer = Coalescer(echo, limit=8, flights=2)
        asked = [coalescer.ask(n) for n in range(3)]
        for n in range(3, 6):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            asked.append(coalescer.ask(n))
        await asyncio.gather(*asked)

    asyncio.run(main())
    assert echo.groups == [[0, 1, 2], [3, 4, 5]]


def test_company_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for company goes alone after a while, however long the others' answers take."""
    monkeypatch.setattr(coalesce, "PATIENCE", 0.001)
    answered = asyncio.Event()

    async def answer(items: Sequence[int]) -> list[int | Exception]:
        if 9 not in items:
            await answered.wait()
        return list(items)

    async def main() -> int:
        coalescer: Coalescer[int, int] = Coalescer(answer, limit=8, flights=2)
        slow = [coalescer.ask(n) for n in range(3)]
        await asyncio.sleep(0.001)
        quick = await asyncio.wait_for(coalescer.ask(9), 5)
        answered.set()
        await asyncio.gather(*slow)
        return quick

    assert asyncio.run(main()) == 9
