"""Codes that were found valid before: the same few concepts stand in most resources of a hospital.

Whether a concept is valid depends on its own content, except for references within its extensions; so that of those
without extensions the JSON is remembered. Writing it takes a fifth of a microsecond, checking it anew two.
"""

from __future__ import annotations

from typing import Any

from healix_fhir.model.json import encode
from healix_fhir.model.problems import Problems, Rule, Walk

STRUCTURES = frozenset({"CodeableConcept", "Coding"})
KEPT = 8192
LARGEST = 1024
"""Bytes up to which values are remembered, so that what is remembered has a bound."""


def known_good(rule: Rule) -> Rule:
    """The same rule, which looks at what it has found valid only once."""
    good: set[bytes] = set()

    def known(value: Any, parent: dict[str, Any], walk: Walk) -> Problems:
        if type(value) is not dict:
            return rule(value, parent, walk)
        written = encode(value)
        if written in good:
            return None
        problems = rule(value, parent, walk)
        if problems is None and len(written) <= LARGEST and b'xtension"' not in written:
            if len(good) == KEPT:
                good.clear()
            good.add(written)
        return problems

    return known
