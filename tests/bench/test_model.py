"""Parse and validate: medians for the resource types that matter most.

Uses the Synthea bundles where they are at hand, else resources of our own.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import pytest

from healix_fhir.model.json import decode, encode
from healix_fhir.model.validate import validate
from tests.support import resources

ROUNDS = 15
SAMPLE = 300
TYPES = ("Observation", "Patient", "Encounter", "Claim")


def _bodies() -> dict[str, list[bytes]]:
    try:
        found = resources.synthea_resources()
    except pytest.skip.Exception:
        found = [make() for make in (resources.observation, resources.patient, resources.encounter)] * SAMPLE
    return {name: [encode(r) for r in found if r["resourceType"] == name][:SAMPLE] for name in TYPES}


def _median(action: Callable[[bytes], object], bodies: Sequence[bytes]) -> float:
    """The median over rounds of the time for one body, in µs."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for body in bodies:
            action(body)
        rounds.append((time.perf_counter() - start) / len(bodies) * 1e6)
    return statistics.median(rounds)


@pytest.mark.bench
def test_parse_and_validate() -> None:
    """An Observation and a Patient stay within their budget of 25 and 60 µs (printed; twice that fails)."""
    print(f"\n{'type':<14}{'bytes':>7}{'parse µs':>11}{'parse + validate µs':>22}")
    medians = {}
    for name, bodies in _bodies().items():
        if bodies:
            size = statistics.median(map(len, bodies))
            parse = _median(decode, bodies)
            medians[name] = _median(lambda body, name=name: validate(decode(body), name), bodies)  # type: ignore[misc]
            print(f"{name:<14}{size:>7.0f}{parse:>11.1f}{medians[name]:>22.1f}")
    assert medians["Observation"] < 50
    assert medians["Patient"] < 120
