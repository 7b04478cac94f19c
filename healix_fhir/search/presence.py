"""Which parameters a resource has a value of: one bit for each, for `:missing`.

The marks of a resource are one byte string in its row. A parameter beyond its end has no value.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#modifiers (missing)
"""

from __future__ import annotations

from healix_fhir.model.custom import PER_TYPE, is_custom
from healix_fhir.model.definitions import PARAMETERS_PER_TYPE, SearchParameter


def number(parameter: SearchParameter) -> int:
    """The place of a parameter among those of its type; custom ones come after R4's."""
    if is_custom(parameter.id):
        return PARAMETERS_PER_TYPE + parameter.id % PER_TYPE
    return parameter.id % PARAMETERS_PER_TYPE


def bit(parameter: SearchParameter) -> int:
    """The parameter's bit in a number that marks several."""
    return 1 << number(parameter)


def mark(bits: int) -> bytes:
    """The marks as they are stored: the first bit is the lowest of the first byte, as PostgreSQL counts."""
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")
