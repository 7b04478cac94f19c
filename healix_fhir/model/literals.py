"""Rules on whole data types that depend on the element that holds them: references' targets and coded concepts.

Spec: FHIR R4, hl7.org/fhir/R4/references.html and hl7.org/fhir/R4/terminologies.html#required
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import Child, Element, required_codes
from healix_fhir.model.problems import Problems, Rule, Walk, one
from healix_fhir.model.profile.code_system import GRAMMARS

REST = re.compile(
    r"(?P<base>https?://[^\s?#]+/)?(?P<type>[A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?"
    r"(?:#[^\s#]*)?"
)
CONDITIONAL = re.compile(r"(?P<type>[A-Z][A-Za-z]+)\?\S+")
URN = re.compile(
    r"urn:(?:uuid:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|oid:[0-2](?:\.(?:0|[1-9][0-9]*))+)"
)
UNITS = "http://hl7.org/fhir/ValueSet/ucum-units"
UCUM = "http://unitsofmeasure.org"
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")


def conditions(element: Element, child: Child) -> Rule | None:
    """What an element demands of its value beyond the value's own structure; None where there is nothing."""
    if child.structure == "Reference":
        return _reference_rule(frozenset(element.targets))
    if child.structure == "CodeableConcept" and element.binding:
        return _concept_rule(element.binding)
    return None


def _reference_rule(targets: frozenset[str]) -> Rule:
    def rule(value: Any, _parent: dict[str, Any], walk: Walk) -> Problems:
        text = value.get("reference")
        if text is None:
            type_name = None
        else:
            match = REST.fullmatch(text)
            if match is None:
                type_name, problem = _other_form(text, walk)
                if problem:
                    return one(".reference", *problem)
            else:
                type_name = match["type"]
                if type_name not in TYPE_ID:
                    if match["base"]:
                        type_name = None  # some other kind of address
                    else:
                        return one(".reference", "value", f"'{type_name[:64]}' is no resource type")
            if type_name and targets and type_name not in targets:
                return one(".reference", "value", f"must refer to {_words(targets)}, not to {type_name}")
        declared = value.get("type")
        return None if declared is None else _check_declared(declared, type_name, targets)

    return rule


def _other_form(text: str, walk: Walk) -> tuple[str | None, tuple[str, str] | None]:
    """The type that a reference which is no REST address refers to, if known; or what is wrong with it."""
    if URN.fullmatch(text):
        return None, None
    if text.startswith("#"):
        if text == "#" or text[1:] in walk.contained:
            return walk.contained.get(text[1:]), None
        return None, ("invariant", f"there is no contained resource '{text[:70]}' (ref-1)")
    if text.startswith(("urn:uuid:", "urn:oid:")):
        return None, ("value", f"'{text[:70]}' is no UUID or OID")
    conditional = CONDITIONAL.fullmatch(text)
    if conditional:
        if not walk.bundle:
            return None, ("value", "conditional references stand only in bundles")
        type_name = conditional["type"]
        return type_name, None if type_name in TYPE_ID else ("value", f"'{type_name[:64]}' is no resource type")
    if SCHEME.fullmatch(text):
        return None, None
    return None, ("value", f"'{text[:70]}' is neither Type/id nor a URL nor a contained resource")


def _check_declared(declared: str, actual: str | None, targets: frozenset[str]) -> Problems:
    """`Reference.type` names a resource type or is the URL of a logical model; it agrees with the literal reference."""
    name = declared.removeprefix("http://hl7.org/fhir/StructureDefinition/")
    if name not in TYPE_ID:
        return None if ":" in declared else one(".type", "value", f"'{name[:64]}' is no resource type")
    if actual is not None and name != actual:
        return one(".type", "value", f"says {name}, but the reference is to {actual}")
    if targets and name not in targets:
        return one(".type", "value", f"must be {_words(targets)}")
    return None


def _words(targets: frozenset[str]) -> str:
    return " or ".join(sorted(targets))


def _concept_rule(value_set: str) -> Rule | None:
    systems = required_codes(value_set)
    if systems is None:
        return _one_of(value_set, _is_ucum) if value_set == UNITS else None
    admitted = frozenset((system, code) for system, codes in systems.items() for code in codes)
    return _one_of(value_set, lambda *coding: coding in admitted)


def _is_ucum(system: object, code: object) -> bool:
    return system == UCUM and GRAMMARS[UCUM](str(code))


def _one_of(value_set: str, admits: Callable[[object, object], bool]) -> Rule:
    """The rule that one of the codings is admitted."""

    def rule(value: Any, _parent: dict[str, Any], _walk: Walk) -> Problems:
        for coding in value.get("coding", ()):
            if admits(coding.get("system"), coding.get("code")):
                return None
        return one("", "code-invalid", f"needs a coding of the required value set {value_set}")

    return rule
