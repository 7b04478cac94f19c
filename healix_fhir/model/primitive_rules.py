"""Rules of primitive elements: values, arrays with nulls, required codes, and their `_name` siblings.

Spec: FHIR R4, hl7.org/fhir/R4/json.html#primitive
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from healix_fhir.model.elements import Child, Element, required_codes
from healix_fhir.model.primitives import PRIMITIVES, fault
from healix_fhir.model.problems import LIMIT, Problem, Problems, Rule, Walk, below, one
from healix_fhir.model.profile.code_system import MEDIA_TYPE

CURRENCIES = "http://hl7.org/fhir/ValueSet/currencies"
MIME_TYPES = "http://hl7.org/fhir/ValueSet/mimetypes"
PATTERNS = {
    CURRENCIES: re.compile(r"[A-Z]{3}").fullmatch,  # ISO 4217, which the definitions do not list
    # BCP 13; CapabilityStatement.format has also short names
    MIME_TYPES: re.compile(rf"{MEDIA_TYPE.pattern}|xml|json|ttl").fullmatch,
}


def primitive_rule(element: Element, child: Child) -> Rule:
    """The rule for the property that holds an element's value or values."""
    valid = primitive_test(element, child)
    explain = _explainer(element, child)
    return _repeated(element, valid, explain) if child.repeats else _single(valid, explain)


def primitive_test(element: Element, child: Child) -> Callable[[Any], Any]:
    """Whether a value is good, by truth; may raise TypeError for values of another JSON type."""
    if not element.binding or child.structure != "code":
        return PRIMITIVES[child.structure].valid
    codes = required_codes(element.binding)
    if codes is None:
        return PATTERNS.get(element.binding, PRIMITIVES["code"].valid)
    return frozenset(code for listed in codes.values() for code in listed).__contains__


def _explainer(element: Element, child: Child) -> Callable[[Any], tuple[str, str]]:
    """Why a value has failed: its form first, then its code list."""

    def explain(value: Any) -> tuple[str, str]:
        return fault(child.structure, value) or (
            "code-invalid",
            f"'{str(value)[:60]}' is not in the required value set {element.binding}",
        )

    return explain


def _single(valid: Callable[[Any], Any], explain: Callable[[Any], tuple[str, str]]) -> Rule:
    def rule(value: Any, _parent: dict[str, Any], _walk: Walk) -> Problems:
        return None if _passes(valid, value) else one("", *explain(value))

    return rule


def _passes(valid: Callable[[Any], Any], value: Any) -> bool:
    try:
        return bool(valid(value))
    except TypeError:
        return False


def _repeated(element: Element, valid: Callable[[Any], Any], explain: Callable[[Any], tuple[str, str]]) -> Rule:
    siblings = f"_{element.name}"

    def rule(values: Any, parent: dict[str, Any], _walk: Walk) -> Problems:
        if type(values) is not list or not values:
            return one("", "structure", "must be an array that is not empty")
        found: list[Problem] = []
        for position, value in enumerate(values):
            if _passes(valid, value):
                continue
            if value is not None:
                found.append(Problem(f"[{position}]", *explain(value)))
            elif not _has_sibling(parent.get(siblings), position):
                found += one(f"[{position}]", "structure", "null stands only where the sibling has extensions")
            if len(found) >= LIMIT:
                break
        return found or None

    return rule


def _has_sibling(siblings: Any, position: int) -> bool:
    return type(siblings) is list and position < len(siblings) and siblings[position] is not None


def sibling_rule(child: Child, inner: Rule) -> Rule:
    """The rule for `_name`: an object or, for a repeating element, an array of the same length as `name`."""
    key = child.key

    def single(value: Any, parent: dict[str, Any], walk: Walk) -> Problems:
        return _sibling(value, key in parent, inner, walk)

    def repeated(values: Any, parent: dict[str, Any], walk: Walk) -> Problems:
        if type(values) is not list or not values:
            return one("", "structure", f"'_{key}' must be an array that is not empty")
        primitives = parent.get(key)
        if type(primitives) is not list:
            primitives = [None] * len(values)
        if len(primitives) != len(values):
            return one("", "structure", f"'{key}' and '_{key}' must have the same length")
        found: list[Problem] = []
        for position, (value, primitive) in enumerate(zip(values, primitives, strict=True)):
            if value is None and (primitive is not None or key in parent):
                continue  # a null without a counterpart is reported with the values
            found += below(f"[{position}]", _sibling(value, primitive is not None, inner, walk) or [])
            if len(found) >= LIMIT:
                break
        return found or None

    return repeated if child.repeats else single


def _sibling(value: Any, has_value: bool, inner: Rule, walk: Walk) -> Problems:
    if has_value and type(value) is dict and value.keys() == {"id"}:
        return inner({**value, "extension": [ANY_EXTENSION]}, {}, walk)
    return inner(value, {}, walk)


ANY_EXTENSION = {"url": "urn:any", "valueBoolean": True}  # stands for the value that lets an id stand alone
