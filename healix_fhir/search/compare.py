"""Comparing intervals by prefix: FHIR's rules as SQL over the two ends of a stored interval.

A stored interval [lo, hi) of time is never empty, which lets every rule be written with bounds on `lo` wherever it has
one, so that an index ordered by `lo` can use them. An interval of numbers [lo, hi] has both ends, and no `hi` where it
is one number, so that an index ordered by `lo` finds numbers and a small one ordered by `hi` the rest.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#prefix
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from healix_fhir.kernel.database import Fragment
from healix_fhir.search.nodes import Prefix

RULES: dict[Prefix, tuple[str, str]] = {
    # prefix: the rule over stored {lo}, {hi} and asked %s; which asked ends it takes, l(ow) or h(igh)
    Prefix.EQ: ("{lo} >= %s AND {lo} < %s AND {hi} <= %s", "lhh"),
    Prefix.NE: ("({lo} < %s OR {hi} > %s)", "lh"),
    Prefix.GT: ("{hi} > %s", "h"),
    Prefix.GE: ("({hi} > %s OR {lo} >= %s)", "hl"),
    Prefix.LT: ("{lo} < %s", "l"),
    Prefix.LE: ("{lo} < %s AND ({lo} < %s OR {hi} <= %s)", "hlh"),
    Prefix.SA: ("{lo} >= %s", "h"),
    Prefix.EB: ("{lo} < %s AND {hi} <= %s", "ll"),
    Prefix.AP: ("{lo} < %s AND {hi} > %s", "hl"),
}
INSTANT_RULES: dict[Prefix, tuple[str, str]] = {
    Prefix.EQ: ("{at} >= %s AND {at} < %s", "lh"),
    Prefix.NE: ("({at} < %s OR {at} >= %s)", "lh"),
    Prefix.GT: ("{at} >= %s", "h"),
    Prefix.GE: ("{at} >= %s", "l"),
    Prefix.LT: ("{at} < %s", "l"),
    Prefix.LE: ("{at} < %s", "h"),
    Prefix.SA: ("{at} >= %s", "h"),
    Prefix.EB: ("{at} < %s", "l"),
    Prefix.AP: ("{at} >= %s AND {at} < %s", "lh"),
}
"""The same for a stored instant."""
AMOUNT_RULES: dict[Prefix, tuple[str, str]] = {
    Prefix.EQ: ("{lo} >= %s AND {lo} < %s AND ({hi} IS NULL OR {hi} < %s)", "lhh"),
    Prefix.NE: ("({lo} < %s OR {lo} >= %s OR {hi} >= %s)", "lhh"),
    Prefix.GT: ("({lo} > %s OR {hi} > %s)", "ll"),
    Prefix.GE: ("({lo} >= %s OR {hi} >= %s)", "ll"),
    Prefix.LT: ("{lo} < %s", "l"),
    Prefix.LE: ("{lo} <= %s", "l"),
    Prefix.SA: ("{lo} > %s", "l"),
    Prefix.EB: ("{lo} < %s AND ({hi} IS NULL OR {hi} < %s)", "ll"),
    Prefix.AP: ("{lo} <= %s AND ({lo} >= %s OR {hi} >= %s)", "hll"),
}
"""The same for a stored amount, which has both its ends; null of `hi` when it is one number."""
BEFORE_ALL = "-infinity"
AFTER_ALL = "infinity"


def compare(prefix: Prefix, lo: str, hi: str, asked: tuple[datetime | None, datetime | None]) -> Fragment:
    """The condition that the stored interval (`lo`, `hi` are SQL expressions) compares by `prefix` with `asked`."""
    rule, ends = RULES[prefix]
    return Fragment(rule.format(lo=lo, hi=hi), _values(ends, asked))


def compare_instant(prefix: Prefix, at: str, asked: tuple[datetime | None, datetime | None]) -> Fragment:
    """The condition that the stored instant (`at` is an SQL expression) compares by `prefix` with `asked`."""
    rule, ends = INSTANT_RULES[prefix]
    return Fragment(rule.format(at=at), _values(ends, asked))


def compare_amount(prefix: Prefix, lo: str, hi: str, asked: tuple[Decimal, Decimal]) -> Fragment:
    """The condition that the stored amount (`lo`, `hi` are SQL expressions) compares by `prefix` with `asked`."""
    rule, ends = AMOUNT_RULES[prefix]
    values = {"l": asked[0], "h": asked[1]}
    return Fragment(rule.format(lo=lo, hi=hi), tuple(values[end] for end in ends))


def _values(ends: str, asked: tuple[datetime | None, datetime | None]) -> tuple[datetime | str, ...]:
    values: dict[str, datetime | str] = {
        "l": BEFORE_ALL if asked[0] is None else asked[0],
        "h": AFTER_ALL if asked[1] is None else asked[1],
    }
    return tuple(values[end] for end in ends)
