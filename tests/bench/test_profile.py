"""What judging costs beyond the structure: R4's own rules, profiles, and a judgement as a whole.

Uses the Synthea bundles and US Core's package where they are at hand, else resources and profiles of our own.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import pytest

from healix_fhir.model.profile.judge import Extent, judge
from healix_fhir.model.profile.library import Library
from healix_fhir.model.validate import validate
from tests.support import resources
from tests.support.profiles import Json, library, package_library

ROUNDS = 7
SAMPLE = 200
CORE = "http://hl7.org/fhir/StructureDefinition/"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"


def _median(action: Callable[[Json], object], given: Sequence[Json]) -> float:
    """The median over rounds of the time for one resource, in µs."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for resource in given:
            action(resource)
        rounds.append((time.perf_counter() - start) / len(given) * 1e6)
    return statistics.median(rounds)


def _us_core() -> Library:
    return package_library("us_core_311.tgz")


def _first(extent: Extent, resource: Json, known: Callable[[], Library]) -> float:
    """The time of the first judgement in a process, definitions compiled with it, in ms."""
    made = known()
    start = time.perf_counter()
    judge(resource, resource["resourceType"], extent, made)
    return (time.perf_counter() - start) * 1e3


@pytest.mark.bench
def test_judgements() -> None:
    """A profile costs an Observation or a Patient less than a millisecond or two (printed; twice that fails)."""
    known: Callable[[], Library] = _us_core
    patient = f"{US_CORE}patient"
    try:
        given = resources.synthea_resources()
        known()
    except pytest.skip.Exception:
        given = [make() for make in (resources.observation, resources.patient)] * SAMPLE
        known, patient = library, f"{CORE}Patient"
    shared = known()
    print(f"\n{'type':<13}{'structure':>10}{'base':>8}{'profile':>9}{'declared':>10}{'all µs':>9}{'first ms':>10}")
    for name, url, limit in (("Observation", f"{CORE}vitalsigns", 1000), ("Patient", patient, 4000)):
        sample = [resource for resource in given if resource["resourceType"] == name][:SAMPLE]
        extents = (
            Extent(structure=False, claims=False),
            Extent((url,), structure=False, claims=False, base=False),
            Extent(structure=False, base=False),
            Extent((url,)),
        )
        costs = [_median(lambda r, name=name: validate(r, name), sample)]  # type: ignore[misc]
        costs += [_median(lambda r, e=e, name=name: judge(r, name, e, shared), sample) for e in extents]  # type: ignore[misc]
        first = _first(Extent((url,)), sample[0], known)
        print(
            f"{name:<13}{costs[0]:>10.1f}{costs[1]:>8.0f}{costs[2]:>9.0f}{costs[3]:>10.0f}{costs[4]:>9.0f}{first:>10.1f}"
        )
        assert costs[-1] < limit
