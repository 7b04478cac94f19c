"""Which types are known to have resources in several patients' compartments, and how processes hear of it."""

from __future__ import annotations

import asyncio

import pytest

from healix_fhir.kernel.database import Work, transaction
from healix_fhir.search.extract import extract
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth import several
from smart_auth.api.bearer import TokenGate
from smart_auth.scope import Permission
from tests.support.gate import Pool, header, open_gate, token
from tests.support.resources import condition, observation
from tests.support.search import BASE, EVERYONE, Clinic

BOTH = observation("Patient/p", id="both", performer=[{"reference": "Patient/q"}])


@pytest.fixture
def clinic(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """An empty store, of which this process has written nothing yet."""
    monkeypatch.setattr(several, "_written", frozenset())
    return Clinic(pool)


def test_a_type_is_known_from_its_first_on_and_for_good(clinic: Clinic) -> None:
    """Resources of one patient tell nothing; the first of two does, also when it is changed or deleted later."""
    clinic.put(observation("Patient/p", id="one"), condition("Patient/q", id="c"))
    assert clinic.several() == frozenset()
    clinic.put(BOTH)
    assert clinic.several() == {"Observation"}
    clinic.put(observation("Patient/p", id="both"))
    clinic.delete("Observation", "both")
    clinic.put(condition("Patient/p", id="c", asserter={"reference": "Patient/q"}))
    assert clinic.several() == {"Condition", "Observation"}


def test_what_is_not_committed_is_not_told(clinic: Clinic) -> None:
    """The type is written with the resource or not at all."""

    def work() -> Work[None]:
        yield from commit(
            EVERYONE, [Change(Method.PUT, "Observation", "both", BOTH, extract(BOTH, "Observation", (BASE,)))]
        )
        raise LookupError

    with pytest.raises(LookupError):
        transaction(clinic.pool, work)
    assert clinic.several() == frozenset()


def test_another_process_hears_of_it(clinic: Clinic, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a remembered token one patient is looked for until the process hears of others; who wrote knows at once."""
    value = token(clinic.pool, "patient/*.rs", patient="q")

    async def looks_further(gate: TokenGate) -> bool:
        access = await gate.access(header(value))
        return "compartment" in access.predicate("Observation", Permission.READ, "r").sql

    async def main() -> None:
        async with open_gate(database_url) as gate:
            assert not await looks_further(gate)
            await asyncio.to_thread(clinic.put, BOTH)
            assert await looks_further(gate)
            monkeypatch.setattr(several, "_written", frozenset())  # as if another process had written it
            for _ in range(12_000):
                if await looks_further(gate):
                    return
                await asyncio.sleep(0.005)
            raise AssertionError("the gate has not heard of it")

    asyncio.run(main())
