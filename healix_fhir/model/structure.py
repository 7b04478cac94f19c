"""The rule of one structure (resource type, data type or backbone element): a closure over the rules of its properties.

Rules of properties are compiled when a property of that name is first met, so that a process pays for what its
resources use. Nothing is kept for unknown names.

Spec: FHIR R4, hl7.org/fhir/R4/json.html; invariants ele-1 and ext-1 of hl7.org/fhir/R4/extensibility.html
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from healix_fhir.model.contained import contained_rule
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import Child, Element, elements, fhir_type, json_properties
from healix_fhir.model.literals import conditions
from healix_fhir.model.primitive_rules import primitive_rule, sibling_rule
from healix_fhir.model.primitives import PRIMITIVES
from healix_fhir.model.problems import LIMIT, Problem, Problems, Rule, Walk, below, one

WITHOUT_SIBLING = frozenset({"id", "xhtml"})  # no extensions on ids and narratives


@cache
def rule_of(structure: str) -> Rule:
    """The rule for an object of `structure`; its problems are located from inside the object."""
    table = _Properties(structure)
    required = frozenset(e.name for e in elements(structure).values() if e.min and not e.choice)
    choices = tuple(e for e in elements(structure).values() if e.min and e.choice)
    further = _further_rule(structure)
    only_id = structure not in TYPE_ID

    def rule(value: Any, parent: dict[str, Any], walk: Walk) -> Problems:
        if type(value) is not dict:
            return one("", "structure", f"must be an object ({fhir_type(structure)})")
        found: list[Problem] = []
        for key, item in value.items():
            problems = table[key](item, value, walk)
            if problems:
                found += problems
                if len(found) >= LIMIT:
                    return found
        if not value.keys() >= required:
            found += _missing(required, value)
        if only_id and (not value or (len(value) == 1 and "id" in value)):
            found += one("", "structure", "must have a value or children")
        if choices:
            found += _missing_choices(choices, value)
        if further is not None:
            found += further(value, parent, walk) or ()
        return found or None

    return rule


def _further_rule(structure: str) -> Rule | None:
    if structure == "Extension":
        return _extension
    return contained_rule if "contained" in elements(structure) else None


def _missing(required: frozenset[str], value: dict[str, Any]) -> list[Problem]:
    return [
        Problem(f".{name}", "required", f"'{name}' is required")
        for name in sorted(required)
        if name not in value and f"_{name}" not in value
    ]


def _missing_choices(choices: tuple[Element, ...], value: dict[str, Any]) -> list[Problem]:
    return [
        Problem(f".{element.name}", "required", f"'{element.name}[x]' is required")
        for element in choices
        if not any(child.key in value or f"_{child.key}" in value for child in json_properties(element))
    ]


def _extension(value: dict[str, Any], _parent: dict[str, Any], _walk: Walk) -> Problems:
    if ("extension" in value) is not any(key.startswith(("value", "_value")) for key in value):
        return None
    return one("", "invariant", "an extension must have either a value or extensions, not both (ext-1)")


class _Properties(dict[str, Rule]):
    """The rules of a structure's JSON properties, compiled on first use."""

    def __init__(self, structure: str) -> None:
        super().__init__()
        self._structure = structure

    def __missing__(self, key: str) -> Rule:
        rule = self._compile(key)
        if rule is None:
            return _unknown(key, self._structure)
        self[key] = rule
        return rule

    def _compile(self, key: str) -> Rule | None:
        if key == "resourceType" and self._structure in TYPE_ID:
            return _accept
        name = key.removeprefix("_")
        for element in elements(self._structure).values():
            for child in json_properties(element):
                if child.key == name:
                    return self._property(key, element, child)
        return None

    def _property(self, key: str, element: Element, child: Child) -> Rule | None:
        if element.max == 0:
            return None
        if key == child.key:
            rule = _value_rule(element, child)
        elif child.structure not in PRIMITIVES or element.name == "id" or child.structure in WITHOUT_SIBLING:
            return None
        else:
            rule = sibling_rule(element, child, rule_of("Element"))
        return _exclusive(rule, element, child.key) if element.choice else rule


def _value_rule(element: Element, child: Child) -> Rule:
    if child.structure in PRIMITIVES:
        return primitive_rule(element, child)
    if child.structure == "Resource":
        from healix_fhir.model.nested import nested_rule

        inner: Rule = nested_rule(element, child)
    else:
        inner = rule_of(child.structure)
    condition = conditions(element, child)
    return _repeated(element, inner, condition) if child.repeats else _single(element, inner, condition)


def _single(element: Element, inner: Rule, condition: Rule | None) -> Rule:
    prefix = f".{element.name}"

    def rule(value: Any, parent: dict[str, Any], walk: Walk) -> Problems:
        problems = inner(value, parent, walk)
        if problems is None and condition is not None:
            problems = condition(value, parent, walk)
        return below(prefix, problems) if problems else None

    return rule


def _repeated(element: Element, inner: Rule, condition: Rule | None) -> Rule:
    name, most = element.name, element.max

    def rule(values: Any, parent: dict[str, Any], walk: Walk) -> Problems:
        if type(values) is not list or not values:
            return one(f".{name}", "structure", "must be an array that is not empty")
        found: list[Problem] = []
        if most is not None and len(values) > most:
            found += one(f".{name}", "structure", f"must have at most {most} items")
        for position, value in enumerate(values):
            problems = inner(value, parent, walk)
            if problems is None and condition is not None:
                problems = condition(value, parent, walk)
            if problems:
                found += below(f".{name}[{position}]", problems)
                if len(found) >= LIMIT:
                    break
        return found or None

    return rule


def _exclusive(inner: Rule, element: Element, key: str) -> Rule:
    """`inner` for one type of a choice, and that no other type of it is given."""
    keys = {child.key for child in json_properties(element)}
    others = frozenset({f"{prefix}{other}" for other in keys - {key} for prefix in ("", "_")})

    def rule(value: Any, parent: dict[str, Any], walk: Walk) -> Problems:
        problems = inner(value, parent, walk)
        if len(parent) > 1 and not others.isdisjoint(parent) and _reports(key, others, parent):
            return [
                *(problems or ()),
                Problem(f".{element.name}", "structure", f"'{element.name}[x]' has several types"),
            ]
        return problems

    return rule


def _reports(key: str, others: frozenset[str], parent: Mapping[str, Any]) -> bool:
    """Whether `key` is the one of several given types that reports it."""
    return key in parent and all(key < other for other in others.intersection(parent) if not other.startswith("_"))


def _accept(_value: Any, _parent: dict[str, Any], _walk: Walk) -> Problems:
    return None


def _unknown(key: str, structure: str) -> Rule:
    name = key if key.isidentifier() and key.isascii() and len(key) <= 64 else ""

    def rule(_value: Any, _parent: dict[str, Any], _walk: Walk) -> Problems:
        return one(f".{name}" if name else "", "structure", f"unknown element '{key[:64]}' in {structure}")

    return rule
