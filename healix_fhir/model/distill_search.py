"""Search parameters and compartments of R4, for healix_fhir/model/distill.

`search.json.gz` holds for each type a list of `[code, type, expression, slug, targets, components]` without its empty
tail, sorted by code; `slug` is the end of the definition's URL. An expression is cut to the arms that begin with the
type.

Spec: FHIR R4, hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

FHIR = "4.0.1"


def search_parameters(definitions: Iterable[Json]) -> Json:
    """The parameters of each base type, `Resource` among them; those without an expression are no index's business.

    One of a later version of FHIR, which our source holds too, is left out.
    """
    known = {definition["url"]: definition for definition in definitions if definition["version"] == FHIR}
    types: dict[str, list[Any]] = {}
    for definition in known.values():
        for base in definition["base"] if "expression" in definition else ():
            types.setdefault(base, []).append(_parameter(definition, base, known))
    return {name: sorted(types[name]) for name in sorted(types)}


def _parameter(definition: Json, base: str, known: Json) -> list[Any]:
    components = [
        [known[part["definition"]]["code"], known[part["definition"]]["type"], part["expression"]]
        for part in definition.get("component", ())
    ]
    row = [
        definition["code"],
        definition["type"],
        arms(definition["expression"], base),
        definition["url"].rpartition("/")[2],
        "|".join(sorted(definition.get("target", ()))),
        components,
    ]
    while not row[-1]:
        row.pop()
    return row


def arms(expression: str, base: str, *, default: str = "") -> str:
    """The arms of a union that begin with the type `base`, joined again; a type is put before arms that name none.

    That is `base`, or `default`.
    """
    own = re.compile(rf"\(*\s*{base}\b")
    typed = (f"{default or base}.{arm}" if arm[:1].islower() else arm for arm in split_arms(expression))
    return " | ".join(arm for arm in typed if own.match(arm))


def split_arms(expression: str) -> Iterable[str]:
    """The arms of a union."""
    depth, start = 0, 0
    for position, character in enumerate(expression):
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            yield expression[start:position].strip()
            start = position + 1
    yield expression[start:].strip()


def compartments(definitions: Iterable[Json]) -> Json:
    """For each compartment: the types in it, with the parameters that link them."""
    return {
        definition["code"]: {entry["code"]: entry["param"] for entry in definition["resource"] if entry.get("param")}
        for definition in sorted(definitions, key=lambda definition: str(definition["code"]))
    }
