"""The texts of codes that this process knows to be stored.

The same ones come again and again, and none is ever removed from `index_text`.
"""

from __future__ import annotations

from collections.abc import Iterable

from healix_fhir.store.index import IndexRows

LIMIT = 100_000
_known: set[tuple[int, str]] = set()


def unknown(index: IndexRows) -> tuple[tuple[int, str, int], ...]:
    """The rows of `index.texts` that have to be written."""
    return tuple([row for row in index.texts if row[:2] not in _known])


def remember(written: Iterable[IndexRows]) -> None:
    """Keep the texts of resources; only after the transaction that wrote them has committed."""
    if len(_known) > LIMIT:
        _known.clear()
    for index in written:
        _known.update(row[:2] for row in index.texts)


def forget() -> None:
    """Know nothing: for another database."""
    _known.clear()
