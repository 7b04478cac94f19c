"""Processes of `multiprocessing` that begin where the imports have ended: these take longer than the work of a test."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from dicomweb.research import making
from healix_fhir.server.importing import apart

WANTED = ["dicomweb.research.making", "healix_fhir.server.importing.bulk", "healix_fhir.server.importing.run"]


@pytest.fixture(scope="module", autouse=True)
def forked() -> Iterator[None]:
    """What de-identifies and what imports is forked from a process that has imported what either needs."""
    with (
        patch.object(making, "get_context", _preloaded),
        patch.object(apart, "multiprocessing", SimpleNamespace(get_context=_preloaded)),
    ):
        yield


def _preloaded(_: str) -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload(WANTED)
    return context
