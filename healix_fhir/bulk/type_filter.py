"""`_typeFilter`: searches of one type each, of which one must hold of every resource of that type in an export.

Several stand in one parameter with commas between them, or in several; since values of a search may have commas too, a
comma counts as one between searches where a type and a question mark follow.

Spec: HL7 Bulk Data Access 2.0.0 export.html#_typefilter-experimental-query-parameter
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

import msgspec

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.search.controls import CONTROLS, EDGE
from healix_fhir.search.nodes import And, Node, Or
from healix_fhir.search.query import PARAMETERS, Query, parse
from healix_fhir.search.wholeness import check_whole

BETWEEN = re.compile(r",(?=[A-Z][A-Za-z]+\?)")
MOST = 50


class Filter(msgspec.Struct, frozen=True):
    """A search of a type by its parameters."""

    type: str
    params: tuple[tuple[str, str], ...]


def read_filters(text: str, types: Sequence[str], base: str) -> list[Filter]:
    """The searches of one parameter, each of which can be run. Raises Invalid or Unsupported."""
    written = BETWEEN.split(text)
    if len(written) > MOST:
        raise invalid(f"_typeFilter takes at most {MOST} searches", code="too-costly")
    return [_read(one, types, base) for one in written]


def _read(text: str, types: Sequence[str], base: str) -> Filter:
    type_name, mark, query = text.partition("?")
    if not mark or type_name not in TYPE_ID:
        raise invalid(
            f"_typeFilter: '{text[:100]}' is no search of a resource type, such as Type?name=value", code="value"
        )
    if type_name not in types:
        raise invalid(f"_typeFilter: {type_name} is none of the types of this export", code="value")
    try:
        params = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=PARAMETERS)
    except ValueError as error:
        raise invalid(f"_typeFilter: '{query[:100]}' are no search parameters", code="value") from error
    for name, _ in params:
        if name.partition(":")[0] in CONTROLS or name in EDGE:
            raise invalid(f"_typeFilter: {name[:64]} does not select resources", code="not-supported")
    try:
        check_whole(parse(type_name, params, strict=True, base=base).ignored)
    except HealixError as error:
        raise HealixError(error.category, f"_typeFilter: {error.message}", code=error.issues[0].code) from error
    return Filter(type_name, tuple(params))


def query_of(type_name: str, filters: Sequence[Filter], base: str) -> Query | None:
    """The search that finds what any of the filters of a type finds; None where there are none."""
    found: list[Node] = [
        And(parse(type_name, one.params, strict=True, base=base).where) for one in filters if one.type == type_name
    ]
    if not found:
        return None
    return replace(parse(type_name, (), base=base), where=(Or(tuple(found)),))
