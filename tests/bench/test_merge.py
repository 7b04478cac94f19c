"""$merge of a Patient with as many resources as one merge moves: its time, its memory, and how long others wait for it.

A merge is one transaction in a web process, so all three have to stay small at the most that it takes.
"""

from __future__ import annotations

import asyncio
import resource
import time
from functools import partial
from typing import Any

import pytest
from psycopg_pool import ConnectionPool

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import open_pool
from healix_fhir.model.json import encode
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.merging.moving import MOST
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from tests.support.fhir_server import SYSTEM, change, do, put, serve
from tests.support.operation import run

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1200)]
AT_ONCE = 500
LONGEST, LARGEST = 120.0, 200
"""Seconds of a merge, and MB that the process grows by."""


def observation(number: int) -> dict[str, Any]:
    """A reading of the Patient that is merged, of about half a kB."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                                  "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]},
        "subject": {"reference": "Patient/a"},
        "effectiveDateTime": f"2024-01-{number % 28 + 1:02}T{number % 24:02}:00:00Z",
        "valueQuantity": {"value": 60 + number % 40, "unit": "/min", "system": "http://unitsofmeasure.org",
                          "code": "/min"},
    }  # fmt: skip


def fill(pool: ConnectionPool[Any]) -> None:
    """Two Patients, one of them with all that a merge moves."""
    for id_ in ("a", "b"):
        put(pool, {"resourceType": "Patient", "id": id_, "identifier": [{"system": "urn:mrn", "value": id_}]}, id_)
    for first in range(0, MOST, AT_ONCE):
        group = [change(Method.PUT, observation(n), f"o{n}") for n in range(first, first + AT_ONCE)]
        do(pool, partial(commit, SYSTEM, group))


def test_the_largest_merge(durable_url: str) -> None:
    """20,000 resources: within two minutes and 200 MB; how long others waited for a turn of the loop is told."""
    with open_pool(durable_url, size=1) as pool:
        fill(pool)
    parts = [
        {"name": f"{role}-patient", "valueReference": {"reference": f"Patient/{id_}"}}
        for role, id_ in (("source", "a"), ("target", "b"))
    ]
    body = encode({"resourceType": "Parameters", "parameter": parts})

    async def use(server: Interactions) -> tuple[bytes, float, float]:
        stalls = [0.0]

        async def others() -> None:
            while True:
                before = time.perf_counter()
                await asyncio.sleep(0.01)
                stalls.append(time.perf_counter() - before - 0.01)

        watching = asyncio.create_task(others())
        begun = time.process_time()
        answer = await run("merge", server, SYSTEM, Invocation(body=body, type="Patient"))
        spent = time.process_time() - begun
        watching.cancel()
        return answer, spent, max(stalls)

    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    answer, spent, stall = serve(durable_url, use)
    seconds = time.perf_counter() - begun
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"\n{MOST} resources merged in {seconds:.1f} s ({spent:.1f} s of this process), {grown:.0f} MB more;", end="")
    print(f" others waited {stall:.2f} s at most")
    assert f"{MOST} resources moved".encode() in answer
    assert seconds < LONGEST
    assert grown < LARGEST
