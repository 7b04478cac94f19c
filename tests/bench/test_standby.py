"""What searches cost the primary with a hot standby and without: processor time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from dicomweb.index.attributes import Level
from dicomweb.study.parameters import parse
from dicomweb.study.query import query
from healix_fhir.interaction.accept import change
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import aat_once, one, open_async_pool, open_pool, transaction
from healix_fhir.kernel.standby import Standby, Where, open_standby
from healix_fhir.server.migrate import migrate
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from tests.support.resources import observation, patient
from tests.support.search import BASE, EVERYONE
from tests.support.standby import Pair, pair
from tests.support.studies_at_scale import fill

pytestmark = pytest.mark.bench

PATIENTS, EACH, STUDIES = 100, 60, 5000
TIMES = int(os.environ.get("HEALIX_BENCH_TIMES", "400"))
CALLERS = 8
PAGE = [("limit", "101"), ("includefield", "00081030,00080060")]


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A primary with its standby, patients with Observations, and studies."""
    with pair(tmp_path_factory.mktemp("standby") / "data") as made:
        migrate(made.primary)
        with open_pool(made.primary, size=1) as pool:
            for number in range(PATIENTS):
                about = patient(id=f"p{number}")
                seen = [observation(f"Patient/p{number}", id=f"p{number}-{each}") for each in range(EACH)]
                changes = [change(Method.PUT, one, one["resourceType"], one["id"], (BASE,)) for one in (about, *seen)]
                transaction(pool, lambda changes=changes: commit(EVERYONE, changes))  # type: ignore[misc]
            with pool.connection() as connection:
                fill(connection, studies=STUDIES)
                connection.execute("VACUUM ANALYZE")
        made.caught_up()
        yield made


def _seconds(root: psutil.Process) -> float:
    """The processor time of a process and of all below it, also of those that have ended."""
    total = 0.0
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # what has ended meanwhile counts below
            total += _own(process)
    ended = root.cpu_times()
    return total + ended.children_user + ended.children_system


def _postmaster(directory: Path) -> psutil.Process:
    return psutil.Process(int((directory / "postmaster.pid").read_text().split()[0]))


async def _measured(databases: Pair, name: str, work: Callable[[int], Awaitable[Any]]) -> None:
    """Print what one of `TIMES` costs each process, with `CALLERS` at once."""
    primary = Path(databases.primary.partition("host=")[2])
    parts = {"primary": _postmaster(primary), "standby": _postmaster(databases.directory), "web": psutil.Process()}

    async def caller(first: int) -> None:
        for number in range(first, TIMES, CALLERS):
            await work(number)

    await asyncio.gather(*[work(number) for number in range(CALLERS)])  # connections are made
    own = ("primary", "standby")
    before = {part: _seconds(process) if part in own else _own(process) for part, process in parts.items()}
    await asyncio.gather(*[caller(first) for first in range(CALLERS)])
    spent = {
        part: (_seconds(process) if part in own else _own(process)) - before[part] for part, process in parts.items()
    }
    print(f"{name:34}", "  ".join(f"{part} {seconds / TIMES * 1e6:5.0f} µs" for part, seconds in spent.items()))


def _own(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def test_what_a_standby_takes_off_the_primary(databases: Pair) -> None:
    """Searches of both kinds and histories; a read by id beside the audit row alone, which it would leave behind."""
    asyncio.run(_compare(databases))


async def _compare(databases: Pair) -> None:
    pool = await open_async_pool(databases.primary, size=8)
    served: list[Where] = []
    standby = await open_standby(databases.standby, pool, size=8, told=served.append)
    plain, apart = Interactions(pool, (BASE,)), Interactions(pool, (BASE,), standby=standby)
    study_list = parse(Level.STUDY, PAGE)
    audit = AuditRow(EVERYONE.origin, "R", "read", entity="Patient/p1", patient="p1")
    print()

    def found(interactions: Interactions, params: Sequence[tuple[str, str]]) -> Callable[[int], Awaitable[Any]]:
        return lambda number: interactions.search(
            EVERYONE, "Observation", [("subject", f"Patient/p{number % PATIENTS}"), *params]
        )

    def listed(standby: Standby | None) -> Callable[[int], Awaitable[Any]]:
        async def work(_: int) -> None:
            if standby is None or await standby.read(lambda: query(EVERYONE, study_list, base=BASE)) is None:
                await aat_once(pool, query(EVERYONE, study_list, base=BASE))

        return work

    try:
        for _ in range(2):
            for name, interactions in (("primary", plain), ("standby", apart)):
                await _measured(databases, f"50 Observations, {name}", found(interactions, [("_count", "50")]))
                sorted_ = found(
                    interactions, [("_count", "50"), ("_sort", "-date"), ("_include", "Observation:subject")]
                )
                await _measured(databases, f"50 sorted with Patients, {name}", sorted_)
                await _measured(
                    databases,
                    f"history of type, {name}",
                    lambda _, to=interactions: to.history(EVERYONE, "Observation", None, [("_count", "20")]),  # type: ignore[misc]
                )
                await _measured(databases, f"101 studies, {name}", listed(None if interactions is plain else standby))
            await _measured(
                databases,
                "read by id, primary",
                lambda number: plain.read(EVERYONE, "Patient", f"p{number % PATIENTS}"),
            )
            await _measured(databases, "an audit row alone", lambda _: aat_once(pool, one(record([audit]))))
        print({where.value: served.count(where) for where in Where})
        assert served.count(Where.SERVED) > TIMES
    finally:
        await standby.close()
        await pool.close()
