"""Token parameters: which hashes a value of each FHIR type is found under, and which parameters are hot.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#token
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from healix_fhir.search import tokens
from healix_fhir.search.params.collector import Collector, Emit
from healix_fhir.terminology.code_systems import implied_systems

HOT = frozenset({"category", "code", "component-code", "identifier"})
"""Parameters, by code, whose tokens also stand in `index_token`: asked for often, together with patient and date."""

ROOM = 2000
"""Bytes of a code with its system that are stored as they are; a row of PostgreSQL's b-trees takes 2704."""

BOOLEAN_SYSTEM = "http://hl7.org/fhir/special-values"


def is_hot(code: str) -> bool:
    """Whether the tokens of the parameter `code` stand in `index_token`, of whatever resource type."""
    return code in HOT


def emitter(param_id: int, fhir_type: str, binding: str, *, hot: bool) -> Emit | None:
    """What adds the tokens of values of `fhir_type`; None for a type that has none."""
    add = _adding(param_id, fhir_type, hot=hot)
    if fhir_type == "code":
        return _codes(add, binding)
    if fhir_type in WITH_TEXT:
        return WITH_TEXT[fhir_type](param_id, add)
    make = EMITTERS.get(fhir_type)
    return None if make is None else make(add)


Add = Callable[[Collector, str | None, str | None], None]


def _adding(param_id: int, fhir_type: str, *, hot: bool) -> Add:
    if fhir_type in CODED:
        return _add_coded(param_id, hot=hot)
    return _add_hot(param_id) if hot else _add(param_id)


def _add(param_id: int) -> Add:
    def add(rows: Collector, system: str | None, code: str | None) -> None:
        rows.toks += tokens.ways(param_id, system, code)

    return add


def _add_hot(param_id: int) -> Add:
    def add(rows: Collector, system: str | None, code: str | None) -> None:
        found = tokens.ways(param_id, system, code)
        rows.toks += found
        if code is not None:
            rows.hot.append((found[0], tokens.of_system(system, code) if system else None))

    return add


def _add_coded(param_id: int, *, hot: bool) -> Add:
    """Codes are also known by themselves, so that those of a value set can be looked up (store/tables)."""

    def add(rows: Collector, system: str | None, code: str | None) -> None:
        found = tokens.ways(param_id, system, code)
        rows.toks += found
        if code is None:
            return
        of = tokens.of_system(system, code) if system and hot else None
        if hot:
            rows.hot.append((found[0], of))
        if system and _fits(system, code):
            rows.coded.append((param_id, system, code, found[1], found[0] if hot else None, of))

    return add


def _fits(system: str, code: str) -> bool:
    """Whether a code can stand in an index: what is longer is found by its hash alone."""
    if len(system) + len(code) <= ROOM // 4:  # bytes of a character at most
        return True
    return len(system.encode()) + len(code.encode()) <= ROOM


def _codings(param_id: int, add: Add) -> Emit:
    def emit(items: list[Any], rows: Collector) -> None:
        for coding in items:
            add(rows, coding.get("system"), coding.get("code"))
            if "display" in coding:
                rows.text(param_id, coding["display"])

    return emit


def _concepts(param_id: int, add: Add) -> Emit:
    codings = _codings(param_id, add)

    def emit(items: list[Any], rows: Collector) -> None:
        for concept in items:
            if "coding" in concept:
                codings(concept["coding"], rows)
            if "text" in concept:
                rows.text(param_id, concept["text"])

    return emit


def _identifiers(param_id: int, add: Add) -> Emit:
    """Value and system of identifiers, and the value together with the type for `:of-type`."""

    def emit(items: list[Any], rows: Collector) -> None:
        for identifier in items:
            value = identifier.get("value")
            add(rows, identifier.get("system"), value)
            if "type" in identifier:
                typed(identifier["type"], value, rows)

    def typed(type_: dict[str, Any], value: str | None, rows: Collector) -> None:
        for coding in type_.get("coding", ()):
            if value is not None and "code" in coding:
                rows.toks.append(tokens.of_type(param_id, coding.get("system", ""), coding["code"], value))
        if "text" in type_:
            rows.text(param_id, type_["text"])

    return emit


def _contacts(add: Add) -> Emit:
    """A phone number or address, with `phone`, `email`, ... as its system."""

    def emit(items: list[Any], rows: Collector) -> None:
        for contact in items:
            add(rows, contact.get("system"), contact.get("value"))

    return emit


def _booleans(add: Add) -> Emit:
    def emit(items: list[Any], rows: Collector) -> None:
        for value in items:
            add(rows, BOOLEAN_SYSTEM, "true" if value else "false")

    return emit


def _texts(add: Add) -> Emit:
    def emit(items: list[Any], rows: Collector) -> None:
        for value in items:
            add(rows, None, value)

    return emit


def _codes(add: Add, binding: str) -> Emit:
    """A bare code: its system is the one that its required binding implies."""
    systems = implied_systems(binding)

    def emit(items: list[Any], rows: Collector) -> None:
        for code in items:
            add(rows, systems.get(code), code)

    return emit


CODED = frozenset({"CodeableConcept", "Coding", "code"})
"""The types whose values are codes of code systems."""
WITH_TEXT: Mapping[str, Callable[[int, Add], Emit]] = {
    "CodeableConcept": _concepts,
    "Coding": _codings,
    "Identifier": _identifiers,
}
EMITTERS: Mapping[str, Callable[[Add], Emit]] = {
    "ContactPoint": _contacts,
    "boolean": _booleans,
    "id": _texts,
    "string": _texts,
    "uri": _texts,
}
