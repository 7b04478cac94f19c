"""What a process knows to be stored of codes and their texts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from healix_fhir.store import known_texts
from healix_fhir.store.index import CodeRow, IndexRows
from healix_fhir.store.known_texts import unknown, unknown_codes

PULSE, WEIGHT = (1, "heart rate", 11), (1, "body weight", 12)
CODES: tuple[CodeRow, CodeRow] = ((1, "s", "8867-4", 21, None, None), (1, "s", "29463-7", 22, None, None))


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    known_texts.forget()
    yield
    known_texts.forget()


def test_only_what_is_not_known_has_to_be_written() -> None:
    """Of a resource with a known and an unknown text and code, the unknown ones; of a known resource, none."""
    first, second = IndexRows(texts=(PULSE,), coded=CODES[:1]), IndexRows(texts=(PULSE, WEIGHT), coded=CODES)
    assert (unknown(first), unknown_codes(first)) == ((PULSE,), CODES[:1])
    known_texts.remember([first])
    assert (unknown(first), unknown_codes(first)) == ((), ())
    assert (unknown(second), unknown_codes(second)) == ((WEIGHT,), CODES[1:])
