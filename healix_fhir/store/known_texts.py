"""The texts of codes, and the codes themselves, that this process knows to be stored.

The same ones come again and again, and none is ever removed from `index_text` and `index_code`.
"""

from __future__ import annotations

from collections.abc import Iterable

from healix_fhir.store.index import CodeRow, IndexRows

LIMIT = 100_000
_known: set[tuple[int, str, int]] = set()
_known_codes: set[CodeRow] = set()


def unknown(index: IndexRows) -> tuple[tuple[int, str, int], ...]:
    """The rows of `index.texts` that have to be written."""
    texts = index.texts
    return () if _known.issuperset(texts) else tuple([row for row in texts if row not in _known])


def unknown_codes(index: IndexRows) -> tuple[CodeRow, ...]:
    """The rows of `index.coded` that have to be written."""
    coded = index.coded
    return () if _known_codes.issuperset(coded) else tuple([row for row in coded if row not in _known_codes])


def remember(written: Iterable[IndexRows]) -> None:
    """Keep the texts and codes of resources; only after the transaction that wrote them has committed."""
    if len(_known) > LIMIT:
        _known.clear()
    if len(_known_codes) > LIMIT:
        _known_codes.clear()
    for index in written:
        _known.update(index.texts)
        _known_codes.update(index.coded)


def forget() -> None:
    """Know nothing: for another database."""
    _known.clear()
    _known_codes.clear()
