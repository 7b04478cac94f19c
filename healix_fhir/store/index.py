"""The index rows of one resource version: what search/extract makes and store/commit writes."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

import msgspec

AmountRow: TypeAlias = tuple[
    int, int | None, Decimal, Decimal | None, int | None, Decimal | None, Decimal | None, int | None, int | None
]
"""(h, sys, lo, hi, unit, base_lo, base_hi, code, label), as the columns of `index_quantity` are named."""

CodeRow: TypeAlias = tuple[int, str, str, int, int | None, int | None]
"""(param, system, code, key, h, sys), as the columns of `index_code` are named."""


class ContainedRows(msgspec.Struct, frozen=True):
    """A contained resource: its id in the container, its type and JSON, and its index rows (search/inside)."""

    id: str
    type: int
    body: bytes
    rows: IndexRows


class ConsentRule(msgspec.Struct, frozen=True):
    """A provision of a Consent, as `consent_rule` holds it; None is no condition.

    `chain` has the numbers of the provisions that enclose it, and its own. `actors` are `Type/id` or `client/id`,
    `data` type number and id, `labels` `system|code`.
    """

    number: int
    chain: tuple[int, ...]
    denies: bool
    starts: datetime | None = None
    ends: datetime | None = None
    actors: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    actions: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    data: tuple[str, ...] | None = None


class IndexRows(msgspec.Struct, frozen=True):
    """Everything the search index holds of one resource. Empty for a deleted one.

    `patients`: logical ids of the patients whose compartments it is in, the main one first.
    `d`, `d_hi`: first instant, and first instant after, of its main clinical date (UTC); None when it has none.
    `present`: marks of the parameters that have a value (search/presence).
    `toks`: hashes of all tokens and uris. `hot`: (h, sys) pairs.
    `strings`: (param, folded, exact, grams as an array's text).
    `dates`: (param, lo, hi), None for an open end. `references`: (param, target_type, target).
    `amounts`: numbers and quantities. `positions`: (param, latitude, longitude).
    `texts`: (param, folded, h) of what stands beside codes; h is also in `toks`.
    `coded`: (param, system, code, key, h, sys) of codes, as `index_code` has them; key is also in `toks`.
    `words`: at most one pair, the words of the narrative (None: there is none) and of all texts, as tsvectors' text.
    `contained`: what it contains. `labels`: its security labels, each with `t` where it is restricted, else `f`.
    `rules`: what it permits and denies, where it is a privacy Consent.
    `acting`: of a RelatedPerson, from when until when it acts for its patient (search/acting).
    """

    patients: tuple[str, ...] = ()
    d: datetime | None = None
    d_hi: datetime | None = None
    present: bytes = b""
    toks: tuple[int, ...] = ()
    hot: tuple[tuple[int, int | None], ...] = ()
    strings: tuple[tuple[int, str, str, str], ...] = ()
    dates: tuple[tuple[int, datetime | None, datetime | None], ...] = ()
    references: tuple[tuple[int, int | None, str], ...] = ()
    amounts: tuple[AmountRow, ...] = ()
    positions: tuple[tuple[int, float, float], ...] = ()
    texts: tuple[tuple[int, str, int], ...] = ()
    coded: tuple[CodeRow, ...] = ()
    words: tuple[tuple[str | None, str], ...] = ()
    contained: tuple[ContainedRows, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    rules: tuple[ConsentRule, ...] = ()
    acting: tuple[datetime | None, datetime | None] | None = None


EMPTY = IndexRows()
