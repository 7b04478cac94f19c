"""Sync: how many versions and images a second go up to a server beside this one.

`pytest -m bench -s tests/bench/test_sync.py`
"""

from __future__ import annotations

import time

import pytest

from healix_fhir.interaction.accept import change
from healix_fhir.kernel.database import transaction
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from tests.integration.sync.conftest import ACCESS, BASE, Central, Site, central, patient, proxy, reading, site
from tests.support.dicom import ct

__all__ = ["central", "proxy", "site"]
pytestmark = pytest.mark.bench

READINGS, GROUP, IMAGES = 5000, 500, 100


def test_versions_and_images_a_second(central: Central, site: Site) -> None:
    """Readings of one patient, then CT images of 512 kB."""
    site.connect(central.token)
    site.write(patient("bench"))
    for first in range(0, READINGS, GROUP):
        made = [
            change(Method.PUT, reading(f"bench-{n}", "bench", n), "Observation", f"bench-{n}", (BASE,))
            for n in range(first, first + GROUP)
        ]
        transaction(site.pool, lambda made=made: commit(ACCESS, made))  # type: ignore[misc]
    started = time.perf_counter()
    site.events()
    followed = time.perf_counter() - started
    started = time.perf_counter()
    site.sync()
    seconds = time.perf_counter() - started
    print(
        f"\nwritten down a second: {READINGS / followed:.0f}, versions sent a second: {READINGS / seconds:.0f}", end=""
    )
    site.add(*(ct(90, 1, n, size=512) for n in range(1, IMAGES + 1)))
    started = time.perf_counter()
    site.sync()
    seconds = time.perf_counter() - started
    print(f", images sent a second: {IMAGES / seconds:.0f}")
    assert site.standing().images == IMAGES
