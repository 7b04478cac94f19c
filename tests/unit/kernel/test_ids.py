"""Identifiers that the server makes."""

from __future__ import annotations

import subprocess
import sys
import uuid

from healix_fhir.kernel.ids import BLOCK, Randomness, is_logical_id, logical_id, request_id


def test_logical_ids_are_random_uuids() -> None:
    """Each id is a UUID of version 4 and of the RFC's variant, in its usual writing, and comes once."""
    made = [logical_id() for _ in range(1000)]
    assert len(set(made)) == len(made)
    for id_ in made:
        parsed = uuid.UUID(id_)
        assert (parsed.version, parsed.variant, str(parsed)) == (4, uuid.RFC_4122, id_)
        assert is_logical_id(id_)


def test_request_ids_are_short_words() -> None:
    """A request id is 16 hexadecimal digits."""
    assert len(request_id()) == 16
    assert int(request_id(), 16) >= 0


def test_blocks_are_used_once() -> None:
    """No random byte is given out twice, across the end of a block too."""
    randomness = Randomness()
    made = [randomness.hex(24) for _ in range(BLOCK // 24 * 3)]
    assert len(set(made)) == len(made)


FORKED = r"""
import os
from healix_fhir.kernel.ids import logical_id
logical_id()
os.fork()
os.write(1, logical_id().encode() + b"\n")
"""


def test_a_forked_process_has_its_own() -> None:
    """Two processes forked from one make different ids."""
    printed = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True).stdout.split()
    assert len(set(printed)) == len(printed) == 2
