"""Numbers of a search: what range a number stands for, by its prefix and the digits it is written with.

Without a prefix, and with `ne`, a number stands for all that round to it: half a unit of its last digit to either side,
the lower end included. `100` reaches from 99.5 to 100.5, `1e2`, which has one digit, from 50 to 150. (The page gives
95 to 105 for `1e2`, which fits no rule; R5 corrects it to 50 to 150.) With `ap` it is what lies within a tenth of it,
and at least that range. The other prefixes take the number as it is.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#number, #prefix
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from healix_fhir.search.amounts import KEPT
from healix_fhir.search.nodes import Prefix

NUMBER = re.compile(r"[+-]?[0-9]{1,34}(?:\.[0-9]{1,34})?(?:[eE][+-]?[0-9]{1,3})?")
DIGITS = 34
APPROXIMATELY = Decimal("0.1")


class Range(NamedTuple):
    """What is asked for: [lo, hi) of `eq` and `ne`, both ends of `ap`, one number twice of the other prefixes."""

    lo: Decimal
    hi: Decimal


def read_range(text: str) -> tuple[Prefix, Range] | None:
    """The prefix (`eq` where there is none) and the range of a search value; None when it is not a number."""
    name, digits = (text[:2], text[2:]) if text[:1].isalpha() else ("eq", text)
    if name not in list(Prefix) or NUMBER.fullmatch(digits) is None:
        return None
    value = Decimal(digits)
    if len(value.as_tuple().digits) > DIGITS or not KEPT.plus(value).is_finite():
        return None
    return Prefix(name), _range(Prefix(name), value)


def _range(prefix: Prefix, value: Decimal) -> Range:
    half = Decimal((0, (5,), int(value.as_tuple().exponent) - 1))
    if prefix in (Prefix.EQ, Prefix.NE):
        return Range(KEPT.subtract(value, half), KEPT.add(value, half))
    if prefix is Prefix.AP:
        reach = max(half, KEPT.multiply(abs(value), APPROXIMATELY))
        return Range(KEPT.subtract(value, reach), KEPT.add(value, reach))
    return Range(KEPT.plus(value), KEPT.plus(value))
