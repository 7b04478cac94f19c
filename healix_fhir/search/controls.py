"""The parameters that say how results come back, not which.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#return
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.subset import Subset, add
from healix_fhir.search.contained import Contained, Returned
from healix_fhir.search.include import ITERATE, Include, read_include
from healix_fhir.search.order import LAST_CHANGED, NEWEST, Order
from healix_fhir.search.result import Total
from healix_fhir.search.sort import read_sort

DEFAULT_COUNT = 50
MOST = 1000
INCLUDES = 20

EDGE = frozenset({"_format", "_pretty"})
"""Parameters of the HTTP edge, which has dealt with them."""

REFUSED: Mapping[str, str] = {
    "_query": "named queries are not supported",
}
"""Parameters of R4 that this server refuses by name."""


@dataclass(slots=True)
class Controls:
    """The controls of a search of `types`, as they are read one after the other; includes start from `starts`."""

    types: tuple[str, ...]
    starts: tuple[str, ...]
    sorted: Order | None = None
    count: int = DEFAULT_COUNT
    total: Total = Total.NONE
    includes: list[Include] = field(default_factory=list)
    cursor: str | None = None
    explain: bool = False
    subset: Subset = field(default_factory=Subset)
    contained: Contained = Contained.FALSE
    returned: Returned = Returned.CONTAINER

    @property
    def order(self) -> Order:
        """The order asked for, or the default."""
        return self.sorted or (NEWEST if len(self.types) == 1 else LAST_CHANGED)


Control = Callable[[Controls, str], None]


def _count(controls: Controls, value: str) -> None:
    """More than the most this server gives at once is cut to that; 0 asks for the total only."""
    if not (value.isascii() and value.isdecimal() and len(value) <= 18):
        raise invalid(f"_count must be a whole number, not '{value[:50]}'", code="value")
    if controls.count:  # _summary=count stands
        controls.count = min(int(value), MOST)
    if not controls.count:
        controls.total = Total.ACCURATE


def _sort(controls: Controls, value: str) -> None:
    controls.sorted = read_sort(controls.types, value)


def _total(controls: Controls, value: str) -> None:
    if value not in (total.value for total in Total):
        raise invalid(f"_total must be none, estimate or accurate, not '{value[:50]}'", code="value")
    if controls.count:  # asking for no rows asks for their number
        controls.total = Total(value)


def _summary(controls: Controls, value: str) -> None:
    controls.subset = add(controls.subset, "_summary", value)
    if value == "count":
        controls.count, controls.total = 0, Total.ACCURATE


def _elements(controls: Controls, value: str) -> None:
    controls.subset = add(controls.subset, "_elements", value)


def _included(name: str, *, reverse: bool) -> Control:
    def read(controls: Controls, value: str) -> None:
        if len(controls.includes) == INCLUDES:
            raise invalid(f"a search takes at most {INCLUDES} includes", code="too-costly")
        controls.includes.append(read_include(name, value, controls.starts, reverse=reverse))

    return read


def _type(_: Controls, __: str) -> None:
    """The types are known before any other parameter is read (search/searched)."""


def _explain(controls: Controls, value: str) -> None:
    if value not in ("true", "false"):
        raise invalid(f"_explain is true or false, not '{value[:50]}'", code="value")
    controls.explain = value == "true"


def _contained(controls: Controls, value: str) -> None:
    if value not in (one.value for one in Contained):
        raise invalid(f"_contained is false, true or both, not '{value[:50]}'", code="value")
    controls.contained = Contained(value)


def _contained_type(controls: Controls, value: str) -> None:
    if value not in (one.value for one in Returned):
        raise invalid(f"_containedType is container or contained, not '{value[:50]}'", code="value")
    controls.returned = Returned(value)


def _cursor(controls: Controls, value: str) -> None:
    controls.cursor = value


CONTROLS: Mapping[str, Control] = {
    "_count": _count,
    "_sort": _sort,
    "_total": _total,
    "_summary": _summary,
    "_elements": _elements,
    "_type": _type,
    **{
        name: _included(name, reverse=name.startswith("_rev"))
        for base in ("_include", "_revinclude")
        for name in (base, *(f"{base}:{modifier}" for modifier in ITERATE))
    },
    "_contained": _contained,
    "_containedType": _contained_type,
    "_explain": _explain,
    "_cursor": _cursor,
}
"""What reads a control, by name."""
