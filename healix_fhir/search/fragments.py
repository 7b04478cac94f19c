"""What a search joins conditions and rows with, beside what every room does (kernel/conditions)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from healix_fhir.kernel.conditions import EVERYTHING, NOTHING, all_of, any_of, negate, strung
from healix_fhir.kernel.database import Fragment

__all__ = ["EVERYTHING", "NOTHING", "all_of", "any_of", "negate", "of_types", "strung", "union_all"]


def union_all(selects: Iterable[Fragment]) -> Fragment:
    """The rows of all SELECTs."""
    listed = list(selects)
    if len(listed) == 1:
        return listed[0]
    return strung("\n UNION ALL ", [Fragment(f"({select.sql})", select.params) for select in listed])


def of_types(alias: str, types: Sequence[int]) -> Fragment:
    """The row `alias` is of one of the types."""
    if len(types) == 1:
        return Fragment(f"{alias}.type = %s", tuple(types))
    return Fragment(f"{alias}.type = ANY(%s::smallint[])", (list(types),))
