"""Reading `_sort`: each code a parameter of the type, from the place where its values lie in order.

Dates are sorted by their first instant, quantities by the number as written, references by the id or URL they name,
tokens by their code.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from healix_fhir.kernel.errors import HealixError, invalid, unsupported
from healix_fhir.model.definitions import SearchParameter, search_parameters
from healix_fhir.model.fhirpath.branch import Branch
from healix_fhir.model.fhirpath.path import compile_branches
from healix_fhir.search.amounts import parameter_key
from healix_fhir.search.chain import UnknownParameterError
from healix_fhir.search.index_facts import main_date
from healix_fhir.search.order import By, Key, Order, Table
from healix_fhir.search.unions import parts

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
WHERE = re.compile(r"[A-Z]\w+((?:\.\w+)+)\.where\((\w+)='([\w-]+)'\)")


def read_sort(types: Sequence[str], value: str) -> Order:
    """The order of `_sort=value`. Raises UnknownParameterError, or Unsupported for what has no order."""
    codes = value.split(",")
    if len(codes) > KEYS:
        raise invalid(f"_sort takes at most {KEYS} keys", code="too-costly")
    return Order(tuple(_key(types, code.removeprefix("-"), descending=code.startswith("-")) for code in codes))


def _key(types: Sequence[str], code: str, *, descending: bool) -> Key:
    if code in COLUMNS:
        return Key(COLUMNS[code], descending, "timestamptz" if code == "_lastUpdated" else "text")
    if len(types) > 1:
        raise unsupported(f"_sort: several types are sorted by {' or '.join(COLUMNS)}, not by '{code[:50]}'")
    (type_name,) = types
    parameter = search_parameters(type_name).get(code)
    if parameter is None:
        raise UnknownParameterError(f"_sort: {type_name} has no search parameter '{code[:100]}'")
    if code == main_date(type_name):
        return Key(By.DATE, descending)
    if parameter.type in ("number", "quantity"):
        keys = tuple(parameter_key(part.id) for part in parts(type_name, code))
        return Key(By.STORED, descending, "numeric", Table("index_quantity", "lo", keys, "h"))
    if parameter.type in TABLES:
        table, column, sql_type = TABLES[parameter.type]
        return Key(By.STORED, descending, sql_type, Table(table, column, (parameter.id,)))
    return Key(By.BODY, descending, "text", paths=_paths(type_name, parameter))


@cache
def _paths(type_name: str, parameter: SearchParameter) -> tuple[str, ...]:
    """The JSON paths to what a token or uri is sorted by."""
    if parameter.type in ("token", "uri"):
        filtered = WHERE.fullmatch(parameter.expression)
        if filtered is not None:
            return (f'${filtered[1]} ? (@.{filtered[2]} == "{filtered[3]}").value',)
        try:
            paths = tuple(_path(branch) for branch in compile_branches(parameter.expression, type_name))
        except HealixError:
            paths = ()
        if paths and all(paths):
            return tuple(path for path in paths if path)
    raise unsupported(f"_sort: {type_name} cannot be sorted by '{parameter.code}'")


def _path(branch: Branch) -> str:
    """The path of a branch that takes property after property; empty for any other."""
    steps = [step for step in branch.steps if isinstance(step, str)]
    if len(steps) != len(branch.steps) or branch.type not in CODES:
        return ""
    return "".join(["$", *(f".{step}" for step in steps), CODES[branch.type]])
