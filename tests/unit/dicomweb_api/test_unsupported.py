"""Query parameters that are ignored: hostile ones cost no more than others."""

from __future__ import annotations

import time

from dicomweb.api.unsupported import NAME

SECONDS = 5
"""A pattern that goes back over what it has read takes a minute for these."""


def test_names_are_read_once() -> None:
    """A name of 64 kB that is none is seen to be none at once."""
    begun = time.process_time()
    for hostile in ("A" + "a" * 65_000 + "!", "0010AAAA." * 7_000 + "!", "Aa" + ".a" * 32_000 + "!"):
        assert NAME.fullmatch(hostile) is None
    assert time.process_time() - begun < SECONDS


def test_names() -> None:
    """Keywords, also in sequences, are names; numbers, tags and words in capitals are not."""
    assert all(map(NAME.fullmatch, ("StudyDescription", "0040A730.ConceptNameCodeSequence.CodeValue")))
    assert not any(map(NAME.fullmatch, ("0010", "00100010", "ALL", "studyDescription", "")))
