"""Values of number and quantity parameters to nodes.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#number, hl7.org/fhir/R4/search.html#quantity
"""

from __future__ import annotations

from dataclasses import replace

from healix_fhir.search.amounts import measure, name_key, parameter_key
from healix_fhir.search.asked import Asked
from healix_fhir.search.nodes import Node, Quantity
from healix_fhir.search.precision import read_range
from healix_fhir.search.values import split, unescape

PREFIXED = "a number with an optional prefix (eq ne gt lt ge le sa eb ap)"


def number(asked: Asked, value: str) -> Node:
    """A prefix and a number."""
    return _numbered(asked, value, value)


def quantity(asked: Asked, value: str) -> Node:
    """`number`, in whatever unit; `number|system|code`, in units of its kind; `number||unit`, by code or text."""
    digits, *unit = (unescape(part) for part in split(value, "|"))
    node = _numbered(asked, value, digits)
    if not unit:
        return node
    if len(unit) != 2 or not unit[1]:
        raise asked.bad_value(value, "of the form number, number|system|code or number||unit")
    system, code = unit
    if not system:
        return replace(node, name=name_key(code))
    known = measure(system, code)
    lo, hi = known.base(node.lo), known.base(node.hi)
    if lo is None or hi is None:
        raise asked.bad_value(value, "a quantity that can be compared")
    return replace(node, unit=known.unit, lo=lo, hi=hi)


def _numbered(asked: Asked, value: str, digits: str) -> Quantity:
    if asked.modifier:
        raise asked.bad_modifier()
    found = read_range(digits)
    if found is None:
        raise asked.bad_value(value, PREFIXED)
    prefix, (lo, hi) = found
    return Quantity(parameter_key(asked.parameter.id), prefix, lo, hi)
