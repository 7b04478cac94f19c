"""The rule of one structure (resource type, data type or backbone element): a closure over the rules of its properties.

Rules of properties are compiled when a property of that name is first met, so that a process pays for what its
resources use. Nothing is kept for unknown names.

Spec: FHIR R4, hl7.org/fhir/R4/json.html; invariants ele-1 and ext-1 of hl7.org/fhir/R4/extensibility.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from healix_fhir.model.contained import contained_rule
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import Child, Element, elements, fhir_type, json_properties
from healix_fhir.model.known_good import STRUCTURES, known_good
from healix_fhir.model.literals import conditions
from healix_fhir.model.primitive_rules import primitive_rule, primitive_test, sibling_rule
from healix_fhir.model.primitives import PRIMITIVES
from healix_fhir.model.problems import LIMIT, Problem, Problems, Rule, Walk, below, one

Property: TypeAlias = tuple[Callable[[Any], Any] | None, Rule, str]
"""How one JSON property is checked: (quick, rule, prefix); a bare tuple, which CPython unpacks fastest.

`quick` accepts good primitives at the cost of one call; `rule` is complete. `prefix` is put before the locations of the
rule's problems.
"""


@cache
def rule_of(structure: str) -> Rule:
    """The rule for an object of `structure`; its problems are located from inside the object."""
    rule = _rule(structure, _Properties(structure), _required(structure), _whole_rules(structure))
    return known_good(rule) if structure in STRUCTURES else rule


def _rule(structure: str, table: _Properties, required: frozenset[str], whole: tuple[Rule, ...]) -> Rule:
    may_be_bare = structure in TYPE_ID  # a resource may be no more than its type

    def rule(value: Any, parent: dict[str, Any], walk: Walk) -> Problems:
        if type(value) is not dict:
            return one("", "structure", f"must be an object ({fhir_type(structure)})")
        found: Problems = None
        for key, item in value.items():
            quick, inner, prefix = table[key]
            if quick is not None:
                try:
                    if quick(item):
                        continue
                except TypeError:
                    pass
            problems = inner(item, value, walk)
            if problems:
                found = (found or []) + below(prefix, problems)
                if len(found) >= LIMIT:
                    return found
        if (len(value) < 2 and (not value or "id" in value)) or (required and not value.keys() >= required):
            found = (found or []) + _missing(required, value, may_be_bare)
        for check in whole:
            problems = check(value, parent, walk)
            if problems:
                found = (found or []) + problems
        return found or None

    return rule


def _required(structure: str) -> frozenset[str]:
    return frozenset(e.name for e in elements(structure).values() if e.min and not e.choice)


def _missing(required: frozenset[str], value: dict[str, Any], may_be_bare: bool) -> list[Problem]:
    if not may_be_bare and (not value or value.keys() == {"id"}):
        return one("", "structure", "must have a value or children (ele-1)")
    return [
        Problem(f".{name}", "required", f"'{name}' is required")
        for name in sorted(required)
        if name not in value and f"_{name}" not in value
    ]


def _whole_rules(structure: str) -> tuple[Rule, ...]:
    """What is checked on the object as a whole."""
    rules = [_choice_rule(e) for e in elements(structure).values() if e.choice]
    if structure == "Extension":
        rules = [_extension_rule(*rules)]
    if "contained" in elements(structure):
        rules.append(contained_rule)
    return tuple(rules)


def _choice_rule(element: Element) -> Rule:
    """That a choice has one type, or none where it may be absent."""
    keys = frozenset(child.key for child in json_properties(element))
    given = keys | {f"_{key}" for key in keys}

    def rule(value: Any, _parent: dict[str, Any], _walk: Walk) -> Problems:
        if given.isdisjoint(value):
            return one(f".{element.name}", "required", f"'{element.name}[x]' is required") if element.min else None
        if len({key.removeprefix("_") for key in given.intersection(value)}) > 1:
            return one(f".{element.name}", "structure", f"'{element.name}[x]' has several types")
        return None

    return rule


def _extension_rule(choice: Rule) -> Rule:
    """That an extension has either extensions or one value."""

    def rule(value: Any, parent: dict[str, Any], walk: Walk) -> Problems:
        if len(value) == 2 and "url" in value and "id" not in value and "_url" not in value:
            return None  # nearly all: a URL and one other thing
        if ("extension" in value) is any(key.startswith(("value", "_value")) for key in value):
            return one("", "invariant", "an extension must have either a value or extensions, not both (ext-1)")
        return choice(value, parent, walk)

    return rule


class _Properties(dict[str, Property]):
    """The rules of a structure's JSON properties, compiled on first use."""

    def __init__(self, structure: str) -> None:
        super().__init__()
        self._structure = structure

    def __missing__(self, key: str) -> Property:
        compiled = self._compile(key)
        if compiled is None:
            return _unknown(key, self._structure)
        self[key] = compiled
        return compiled

    def _compile(self, key: str) -> Property | None:
        if key == "resourceType" and self._structure in TYPE_ID:
            return (None, _accept, "")
        name = key.removeprefix("_")
        for element in elements(self._structure).values():
            for child in json_properties(element):
                if child.key == name and element.max != 0:
                    return _property(self._structure, key, element, child)
        return None


def _property(structure: str, key: str, element: Element, child: Child) -> Property | None:
    if key != child.key:
        if child.structure not in PRIMITIVES or element.name == "id" or child.structure == "xhtml":
            return None  # no extensions on ids and narratives
        if structure == "Extension" and element.name == "url":
            return None  # an attribute in XML
        return (None, sibling_rule(child, rule_of("Element")), f".{element.name}")
    if child.structure in PRIMITIVES:
        quick = None if child.repeats else primitive_test(element, child)
        return (quick, primitive_rule(element, child), f".{element.name}")
    return (None, _object_rule(element, child), f".{element.name}")


def _object_rule(element: Element, child: Child) -> Rule:
    if child.structure == "Resource":
        from healix_fhir.model.nested import nested_rule

        inner = nested_rule(element, child)
    else:
        inner = rule_of(child.structure)
    condition = conditions(element, child)
    if condition is not None:
        inner = _both(inner, condition)
    return _repeated(inner) if child.repeats else inner


def _both(first: Rule, second: Rule) -> Rule:
    """`second` only where `first` has found nothing, so that it can rely on the structure."""

    def rule(value: Any, parent: dict[str, Any], walk: Walk) -> Problems:
        return first(value, parent, walk) or second(value, parent, walk)

    return rule


def _repeated(inner: Rule) -> Rule:
    def rule(values: Any, parent: dict[str, Any], walk: Walk) -> Problems:
        if type(values) is not list or not values:
            return one("", "structure", "must be an array that is not empty")
        found: list[Problem] = []
        for position, value in enumerate(values):
            problems = inner(value, parent, walk)
            if problems:
                found += below(f"[{position}]", problems)
                if len(found) >= LIMIT:
                    break
        return found or None

    return rule


def _accept(_value: Any, _parent: dict[str, Any], _walk: Walk) -> Problems:
    return None


def _unknown(key: str, structure: str) -> Property:
    named = key.isidentifier() and key.isascii() and len(key) <= 64

    def rule(_value: Any, _parent: dict[str, Any], _walk: Walk) -> Problems:
        return one("", "structure", f"unknown element '{key[:64]}' in {structure}")

    return (None, rule, f".{key}" if named else "")
