"""How long the index rows of a resource take."""

from __future__ import annotations

import statistics
import time

import pytest

from healix_fhir.search import tokens
from healix_fhir.search.dates import interval
from healix_fhir.search.extract import extract
from healix_fhir.search.strings import fold
from tests.support.resources import synthea_resources

TARGET = 40.0
"""Microseconds that an Observation, all its R4 parameters, may take."""
BASES = ("http://localhost:8000/fhir",)


@pytest.mark.bench
def test_extract() -> None:
    """The index rows of a Synthea Observation take at most 40 µs in the median, no value seen before."""
    print()
    medians = {}
    for type_name in ("Observation", "Patient", "Encounter", "Claim", "ExplanationOfBenefit"):
        resources = synthea_resources(type_name)
        extract(resources[0], type_name, BASES)
        for cache in (tokens.ways, interval, fold):
            cache.cache_clear()
        times = []
        for resource in resources:
            start = time.perf_counter()
            extract(resource, type_name, BASES)
            times.append((time.perf_counter() - start) * 1e6)
        medians[type_name] = statistics.median(times)
        print(f"extract {type_name:22} {len(times):5} resources, median {medians[type_name]:6.1f} µs")
    assert medians["Observation"] <= TARGET
