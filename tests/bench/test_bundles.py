"""Large bundles: seconds and statements for 1,000 and 10,000 entries, with and without searches in them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from healix_fhir.interaction.result import Return
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import open_async_pool
from healix_fhir.model.json import encode
from tests.support.fhir_server import BASE, SYSTEM
from tests.support.query_recorder import query_recorder
from tests.support.resources import observation, patient

pytestmark = pytest.mark.bench
MRN = "urn:oid:1.2.36"


def bundle(kind: str, entries: list[dict[str, Any]]) -> bytes:
    """A Bundle."""
    return encode({"resourceType": "Bundle", "type": kind, "entry": entries})


def plain(number: int, run: str) -> list[dict[str, Any]]:
    """A patient and its observations; in a batch, whose entries may not refer to each other, of another patient."""
    urn = "urn:uuid:00000000-0000-4000-8000-000000000001"
    person = {"fullUrl": urn, "resource": patient(), "request": {"method": "POST", "url": "Patient"}}
    subject = urn if run.startswith("transaction") else "Patient/p"
    made = {"resource": observation(subject), "request": {"method": "POST", "url": "Observation"}}
    return [person, *([made] * (number - 1))]


def conditional(number: int, run: str) -> list[dict[str, Any]]:
    """Conditional creates of patients, and for each an observation with a conditional reference."""
    entries: list[dict[str, Any]] = []
    for n in range(number // 2):
        condition = f"identifier={MRN}|{run}{n}"
        person = patient(identifier=[{"system": MRN, "value": f"{run}{n}"}])
        request = {"method": "POST", "url": "Patient", "ifNoneExist": condition}
        entries.append({"resource": person, "request": request})
        made = observation(f"Patient?{condition}")
        entries.append({"resource": made, "request": {"method": "POST", "url": "Observation"}})
    return entries


@pytest.mark.parametrize(("kind", "make"), [("transaction", plain), ("batch", plain), ("transaction", conditional)])
def test_large_bundles(durable_url: str, kind: str, make: Any) -> None:
    """Ten thousand entries take about ten times as long as a thousand, and a transaction no statement more."""

    async def main() -> list[tuple[int, float, int, float]]:
        pool = await open_async_pool(durable_url, size=4)
        server = Interactions(pool, (BASE,))
        figures = []
        for number in (100, 1000, 10_000):
            sent = bundle(kind, make(number, f"{kind}{number}-"))
            lags: list[float] = []
            watch = asyncio.create_task(_watch(lags))
            with query_recorder() as recorded:
                started = time.perf_counter()
                page = await server.bundle(SYSTEM, sent, returns=Return.MINIMAL)
                took = time.perf_counter() - started
            watch.cancel()
            assert all(entry.response and entry.response.status[:3] == "201" for entry in page.entries)
            figures.append((number, took, len(recorded), max(lags, default=0.0)))
        await pool.close()
        return figures

    figures = asyncio.run(main())
    for number, took, statements, lag in figures:
        print(f"\n{kind} {make.__name__} of {number:,}: {took:.2f} s, {statements} statements, {lag * 1000:.0f} ms lag")
    (_, thousand, some, _), (_, ten, many, _) = figures[1:]
    assert ten < thousand * 15
    if kind == "transaction":
        assert many <= some + 1


async def _watch(lags: list[float]) -> None:
    """How late the event loop wakes, again and again."""
    while True:
        asked = time.perf_counter()
        await asyncio.sleep(0.01)
        lags.append(time.perf_counter() - asked - 0.01)
