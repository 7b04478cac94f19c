"""What the server itself calls alert rules, in the language of who reads it; what people called them stays as it is.

Resources hold it in English, for all of their readers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from healix_fhir.kernel.language.catalogue import catalogue, marked, say
from healix_fhir.kernel.language.spoken import ENGLISH, language

UNACKNOWLEDGED = marked("Nobody has acknowledged this alert yet")
"""What those are told who are told again."""
BEYOND: Mapping[str, str] = MappingProxyType(
    {"above": marked("{measure} above {limit} {unit}"), "below": marked("{measure} below {limit} {unit}")}
)
"""A limit of one measure, by its side."""
_LIMIT = re.compile(r"(?P<measure>[^\n]{1,100}) (?P<kind>above|below) (?P<limit>\d[\d.]{0,20}) (?P<unit>\S{1,20})")


def limit(measure: str, kind: str, value: object, unit: str) -> str:
    """The name of a rule with one limit, in English."""
    return BEYOND[kind].format(measure=measure, limit=value, unit=unit)


def worded(text: str) -> str:
    """A title or text of a rule as its reader has it."""
    if text == UNACKNOWLEDGED:
        return say(text)
    found = _LIMIT.fullmatch(text)
    if found is None or language() == ENGLISH or found["measure"] not in catalogue(language()):
        return text
    measure, kind, value, unit = found.groups()
    return say(BEYOND[kind], measure=say(measure), limit=value, unit=say(unit))
