"""The parameters that say how results come back, not which.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#return
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from healix_fhir.kernel.errors import invalid, unsupported
from healix_fhir.model.subset import Subset, add
from healix_fhir.search.include import Include, read_include
from healix_fhir.search.index_facts import main_date
from healix_fhir.search.order import Key, Order

DEFAULT_COUNT = 50
MOST = 1000
INCLUDES = 20

EDGE = frozenset({"_format", "_pretty"})
"""Parameters of the HTTP edge, which has dealt with them."""

REFUSED: Mapping[str, str] = {
    "_contained": "searching contained resources is not supported",
    "_containedType": "searching contained resources is not supported",
    "_content": "full-text search is not supported",
    "_filter": "filter expressions are not supported",
    "_list": "searching by list is not supported",
    "_query": "named queries are not supported",
    "_revinclude": "reverse includes are not supported",
    "_text": "full-text search is not supported",
    "_type": "a search reads one type only",
}
"""Parameters of R4 that this server refuses by name."""


@dataclass(slots=True)
class Controls:
    """The controls of a search, as they are read one after the other."""

    type_name: str
    order: Order = field(default_factory=Order)
    count: int = DEFAULT_COUNT
    total: bool = False
    includes: list[Include] = field(default_factory=list)
    cursor: str | None = None
    subset: Subset = field(default_factory=Subset)


def _count(controls: Controls, value: str) -> None:
    """More than the most this server gives at once is cut to that; 0 asks for the total only."""
    if not (value.isascii() and value.isdecimal() and len(value) <= 18):
        raise invalid(f"_count must be a whole number, not '{value[:50]}'", code="value")
    if controls.count:  # _summary=count stands
        controls.count = min(int(value), MOST)
    controls.total = controls.total or not controls.count


def _sort(controls: Controls, value: str) -> None:
    keys = value.split(",")
    if len(keys) > 1:
        raise unsupported("_sort: only one sort key is supported")
    code = keys[0].removeprefix("-")
    known = {"_lastUpdated": Key.UPDATED, "_id": Key.ID}
    if (main := main_date(controls.type_name)) is not None:
        known[main] = Key.DATE
    if code not in known:
        raise unsupported(f"_sort: {controls.type_name} can be sorted by {', '.join(sorted(known))}, not '{code[:50]}'")
    controls.order = Order(known[code], descending=keys[0].startswith("-"))


def _total(controls: Controls, value: str) -> None:
    if value not in ("none", "estimate", "accurate"):
        raise invalid(f"_total must be none, estimate or accurate, not '{value[:50]}'", code="value")
    controls.total = controls.total or value != "none"


def _summary(controls: Controls, value: str) -> None:
    controls.subset = add(controls.subset, "_summary", value)
    if value == "count":
        controls.count, controls.total = 0, True


def _elements(controls: Controls, value: str) -> None:
    controls.subset = add(controls.subset, "_elements", value)


def _include(controls: Controls, value: str) -> None:
    if len(controls.includes) == INCLUDES:
        raise invalid(f"a search takes at most {INCLUDES} includes", code="too-costly")
    controls.includes.append(read_include(value, controls.type_name))


def _cursor(controls: Controls, value: str) -> None:
    controls.cursor = value


CONTROLS: Mapping[str, Callable[[Controls, str], None]] = {
    "_count": _count,
    "_sort": _sort,
    "_total": _total,
    "_summary": _summary,
    "_elements": _elements,
    "_include": _include,
    "_cursor": _cursor,
}
"""What reads a control, by name."""
