"""Reads that arrive together: one statement, each under its own caller's access, each on record."""

from __future__ import annotations

import asyncio

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.fhir_server import SYSTEM, Pool, of_patient, put, rows, serve, with_scope
from tests.support.query_recorder import query_recorder
from tests.support.resources import observation


def test_reads_of_one_tick_are_one_statement(pool: Pool, database_url: str) -> None:
    """Thirty reads of different resources cost one statement, which also writes their audit rows."""
    stored = [put(pool, observation("Patient/p"), f"o{n}").stored for n in range(30)]
    before = rows(pool, "SELECT count(*) FROM audit_event")[0][0]

    async def use(server: Interactions) -> list[bytes]:
        found = await asyncio.gather(*(server.read(SYSTEM, "Observation", f"o{n}") for n in range(30)))
        return [one.body for one in found]

    with query_recorder() as recorded:
        bodies = serve(database_url, use)
    assert len(recorded) == 1
    assert bodies == [one.body for one in stored if one]
    audited = rows(pool, "SELECT action, subtype, client, patient, entity FROM audit_event ORDER BY seq")[before:]
    assert sorted(audited) == sorted(("R", "read", "test", "p", f"Observation/o{n}") for n in range(30))


def test_callers_of_one_statement_keep_their_own_access(pool: Pool, database_url: str) -> None:
    """In a mixed group each caller sees its own, whatever the others may see."""
    patients = ["a", "b", "c"]
    for id_ in patients:
        put(pool, observation(f"Patient/{id_}"), f"of-{id_}")
    callers = {id_: of_patient(pool, id_) for id_ in patients}
    asked = [(caller, target) for caller in patients for target in patients] * 5

    async def use(server: Interactions) -> list[object]:
        reads = [server.read(callers[caller], "Observation", f"of-{target}") for caller, target in asked]
        reads += [server.read(SYSTEM, "Observation", "of-a")]
        reads += [server.read(with_scope("system/Patient.r"), "Observation", "of-a")]
        return list(await asyncio.gather(*reads, return_exceptions=True))

    with query_recorder() as recorded:
        *answers, for_system, for_other = serve(database_url, use)
    assert len(recorded) == 1
    for (caller, target), answer in zip(asked, answers, strict=True):
        if caller == target:
            assert not isinstance(answer, BaseException)
        else:
            assert isinstance(answer, HealixError)
            assert answer.category is Category.NOT_FOUND
    assert not isinstance(for_system, BaseException)
    assert isinstance(for_other, HealixError)
    assert for_other.category is Category.FORBIDDEN


def test_a_read_concerns_each_patient_of_the_resource(pool: Pool, database_url: str) -> None:
    """A resource in two compartments leaves an audit row for both patients; one in none leaves one without patient."""
    put(
        pool,
        {
            "resourceType": "Group", "type": "person", "actual": True,
            "member": [{"entity": {"reference": f"Patient/{id_}"}} for id_ in ("a", "b")],
        },
        "g",
    )  # fmt: skip
    put(pool, {"resourceType": "Basic", "code": {"text": "x"}}, "x")

    async def use(server: Interactions) -> None:
        await server.read(SYSTEM, "Group", "g")
        await server.read(SYSTEM, "Basic", "x")

    serve(database_url, use)
    found = rows(pool, "SELECT entity, patient FROM audit_event WHERE action = 'R' ORDER BY entity, patient")
    assert found == [("Basic/x", None), ("Group/g", "a"), ("Group/g", "b")]
