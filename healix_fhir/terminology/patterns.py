"""The regular expressions of filters: those that PostgreSQL and RE2 read alike, and in bounded time.

PostgreSQL decides them, so that no code system is read into memory. Look-around and back-references, with which a few
characters can run for years, are refused by name, and so is what the two would read differently.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-filter-operator.html#regex; PostgreSQL 18, 9.7.3 (advanced regular expressions)
"""

from __future__ import annotations

import re

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.model.fhirpath.evaluate.regex import matches_full

LONGEST = 500
MOST = 255
"""What PostgreSQL takes as a bound."""
ITEM = re.compile(
    r"""
    \\[dDwWsS] | \\[^0-9A-Za-z]                  # classes, and escaped punctuation
    | \[\^?\]?(?: \\[dws] | \\[^0-9A-Za-z] | [^\]\\\[] )*\]   # brackets without classes by name
    | \((?!\?) | \(\?: | \)
    | [|*+?.^$] | \{(?P<low>\d{1,3})(?:,(?P<high>\d{0,3}))?\}
    | [^\\\[\](){}|*+?.^$]
    """,
    re.VERBOSE | re.DOTALL,
)


def check_pattern(pattern: str, place: str) -> None:
    """Refuse (Invalid) what is no regular expression that is supported here."""
    if len(pattern) > LONGEST:
        raise _refused(pattern, place, f"it is longer than {LONGEST} characters")
    at = 0
    while at < len(pattern):
        found = ITEM.match(pattern, at)
        if found is None:
            raise _refused(pattern, place, f"'{pattern[at : at + 4]}' is not supported")
        if any(bound and int(bound) > MOST for bound in (found["low"], found["high"])):
            raise _refused(pattern, place, f"a repetition has at most {MOST} rounds")
        at = found.end()
    try:
        matches_full("", pattern)
    except HealixError as error:
        raise _refused(pattern, place, "it is none, or would take too much memory") from error


def whole(pattern: str) -> str:
    """The pattern of PostgreSQL that describes a whole text."""
    return f"^(?:{pattern})$"


def _refused(pattern: str, place: str, why: str) -> HealixError:
    return invalid(
        f"{place}: the regular expression '{pattern[:64]}': {why}", code="not-supported", expression=(place,)
    )
