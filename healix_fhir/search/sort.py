"""Reading `_sort`: each code a parameter of the type, from the place where its values lie in order.

Dates are sorted by their first instant, quantities by the number as written, references by the id or URL they name,
tokens by their code. Of several types each is sorted by its own parameter of that name.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from healix_fhir.kernel.errors import invalid, unsupported
from healix_fhir.model.definitions import TYPE_ID, SearchParameter, search_parameters
from healix_fhir.model.fhirpath.branch import Branch, present
from healix_fhir.model.fhirpath.path import compile_branches
from healix_fhir.search.amounts import parameter_key
from healix_fhir.search.index_facts import main_date
from healix_fhir.search.order import By, Key, Order, Table
from healix_fhir.search.unions import parts
from healix_fhir.search.unknown import UnknownParameterError, is_pending, unknown

KEYS = 5
COLUMNS = {"_lastUpdated": By.UPDATED, "_id": By.ID}
TABLES: Mapping[str, tuple[str, str, str]] = {
    # parameter type: table, column in order, SQL type
    "date": ("index_date", "lo", "timestamptz"),
    "reference": ("index_reference", "target", "text"),
    "string": ("index_string", "folded", "text"),
}
CODES: Mapping[str, str] = {
    # FHIR type of a token or uri: the path to what it is sorted by
    "CodeableConcept": ".coding.code",
    "Coding": ".code",
    "ContactPoint": ".value",
    "Identifier": ".value",
    **dict.fromkeys(("boolean", "canonical", "code", "id", "oid", "string", "uri", "url", "uuid"), ""),
}
TESTS: Mapping[str, str] = {
    # parameter whose values are found by a test: the same as a path
    "http://hl7.org/fhir/SearchParameter/Patient-deceased": "exists($.deceasedDateTime) || $.deceasedBoolean == true",
}
UNORDERED = frozenset({"phonetic"})
"""Strings that are kept by their sound only."""
WHERE = re.compile(r"[A-Z]\w+((?:\.\w+)+)\.where\((\w+)='([\w-]+)'\)")


def read_sort(types: Sequence[str], value: str) -> Order:
    """The order of `_sort=value`. Raises UnknownParameterError, or Unsupported for what has no order."""
    codes = value.split(",")
    if len(codes) > KEYS:
        raise invalid(f"_sort takes at most {KEYS} keys", code="too-costly")
    return Order(tuple(_key(types, code.removeprefix("-"), descending=code.startswith("-")) for code in codes))


def _key(types: Sequence[str], code: str, *, descending: bool) -> Key:
    if code in COLUMNS or not types:
        return Key(COLUMNS.get(code, By.ID), descending, "timestamptz" if code == "_lastUpdated" else "text")
    found: dict[Key, list[str]] = {}
    for name in types:
        parameter = search_parameters(name).get(code)
        if parameter is None and is_pending(name, code):
            raise UnknownParameterError(f"_sort: {unknown(name, code)}")
        if parameter is not None:
            found.setdefault(_of_type(name, parameter, descending=descending), []).append(name)
    if types and not found:
        none = f"{types[0]} has no" if len(types) == 1 else "none of the types searched has a"
        raise UnknownParameterError(f"_sort: {none} search parameter '{code[:100]}'")
    return _together(types, code, found)


def _of_type(type_name: str, parameter: SearchParameter, *, descending: bool) -> Key:
    """The key of a parameter of one type."""
    code = parameter.code
    if code == main_date(type_name):
        return Key(By.DATE, descending)
    if parameter.type in ("number", "quantity"):
        keys = tuple(parameter_key(part.id) for part in parts(type_name, code))
        return Key(By.STORED, descending, "numeric", Table("index_quantity", "lo", keys, "h"))
    if parameter.type in TABLES and code not in UNORDERED:
        table, column, sql_type = TABLES[parameter.type]
        return Key(By.STORED, descending, sql_type, Table(table, column, (parameter.id,)))
    return Key(By.BODY, descending, "text", paths=_paths(type_name, parameter))


def _together(types: Sequence[str], code: str, found: Mapping[Key, Sequence[str]]) -> Key:
    """One key for several types; what has not the parameter counts as without a value of it."""
    if len({key.type for key in found}) > 1:
        raise unsupported(
            f"_sort: '{code[:100]}' means values of several kinds in the types searched: name one in _type"
        )
    stored = {key.table.name: key for key in found if key.table is not None}
    if len(stored) == 1 and all(key.table is not None for key in found):
        ((_, one),) = stored.items()
        assert one.table is not None
        keys = tuple(number for key in found if key.table is not None for number in key.table.keys)
        return replace(one, table=replace(one.table, keys=keys))  # each number is a parameter of one type
    first, having = next(iter(found.items()))
    if len(having) == len(types):
        return first
    cases = tuple((tuple(TYPE_ID[name] for name in names), key) for key, names in found.items())
    return Key(By.TYPED, first.descending, first.type, cases=cases)


@cache
def _paths(type_name: str, parameter: SearchParameter) -> tuple[str, ...]:
    """The JSON paths to what a token or uri is sorted by."""
    if parameter.type in ("token", "uri"):
        if parameter.url in TESTS:
            return (TESTS[parameter.url],)
        filtered = WHERE.fullmatch(parameter.expression)
        if filtered is not None:
            return (f'${filtered[1]} ? (@.{filtered[2]} == "{filtered[3]}").value',)
        paths = tuple(_path(branch) for branch in compile_branches(parameter.expression, type_name))
        if paths and all(paths):
            return paths
    raise unsupported(f"_sort: the values of {type_name}'s parameter '{parameter.code}' have no order")


def _path(branch: Branch) -> str:
    """The path of a branch that takes property after property; empty for any other."""
    steps = [step for step in branch.steps if step is not present]
    names = [step for step in steps if isinstance(step, str)]
    if len(names) != len(steps) or branch.type not in CODES:
        return ""
    return "".join(["$", *(f".{name}" for name in names), CODES[branch.type]])
