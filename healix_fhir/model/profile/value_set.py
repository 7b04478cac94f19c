"""Whether a code is in a value set, from the definitions at hand.

The answer is yes, no, or not known: where the codes come from a system that is not here, or is not complete, or are
selected by a filter that cannot be applied. What is not known is never taken for a yes.

Spec: FHIR R4, hl7.org/fhir/R4/valueset.html#compositions, #filters
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.fhirpath.evaluate.regex import matches_full
from healix_fhir.model.profile.answer import Answer, all_of, any_of, negated
from healix_fhir.model.profile.code_system import GRAMMARS, CodeSystem
from healix_fhir.model.profile.definition import Definition
from healix_fhir.model.profile.library import Library

Json = dict[str, Any]
Trail: TypeAlias = frozenset[str]
"""The urls of the value sets that led to one: what leads back to itself is not known."""
Test: TypeAlias = Callable[[str | None, str, Trail], Answer]
"""Whether (system, code) is meant; None stands for the system of a bare `code`, which follows from the value set."""

DEPTH = 32
"""How many value sets may lead from one to the next; what is below is not known."""
KNOWN = 10_000
"""How many answers are kept for each value set."""

UNBOUNDED = (
    "http://hl7.org/fhir/StructureDefinition/valueset-unclosed",
    "http://hl7.org/fhir/StructureDefinition/valueset-toocostly",
)
HIERARCHY = ("concept", "code")


class ValueSet:
    """The members of one ValueSet resource. `gaps` names the systems for which membership is not known."""

    def __init__(self, definition: Definition, library: Library) -> None:
        self.url = definition.url
        self.canonical = f"{definition.url}|{definition.version}" if definition.version else definition.url
        self.gaps: set[str] = set()
        self._library = library
        self._near = definition
        self._known: dict[tuple[str | None, str], Answer] = {}
        body = definition.body
        compose = body.get("compose") or {}
        self._included = [self._include(part) for part in compose.get("include", ())]
        self._excluded = [self._include(part) for part in compose.get("exclude", ())]
        self._expansion = _expansion(body.get("expansion") or {})

    def contains(self, system: str | None, code: str, trail: Trail = frozenset()) -> Answer:
        """Whether the code is a member; None where that is not known."""
        try:
            return self._known[system, code]
        except KeyError:
            answer = self._contains(system, code, trail | {self.url})
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[system, code] = answer
        return answer

    def _contains(self, system: str | None, code: str, trail: Trail) -> Answer:
        included = any_of(test(system, code, trail) for test in self._included)
        if included is not False:
            excluded = any_of(test(system, code, trail) for test in self._excluded)
            if excluded is not False:
                included = False if excluded else None
        if included is None or not self._included:
            return self._expanded(system, code)
        return included

    def _expanded(self, system: str | None, code: str) -> Answer:
        codes, complete = self._expansion
        if (system, code) in codes or (system is None and any(code == listed for _, listed in codes)):
            return True
        return False if complete else None

    def _include(self, part: Json) -> Test:
        tests: list[Test] = [self._of_value_set(canonical) for canonical in part.get("valueSet", ())]
        if "system" in part:
            tests.append(self._of_system(part))
        if len(tests) == 1:
            return tests[0]
        return lambda system, code, trail: all_of(test(system, code, trail) for test in tests)

    def _of_value_set(self, canonical: str) -> Test:
        def test(system: str | None, code: str, trail: Trail) -> Answer:
            found = value_set(canonical, self._library, self._near)
            if found is not None and (found.url in trail or len(trail) > DEPTH):
                found = None
            answer = found.contains(system, code, trail) if found is not None else None
            if answer is None:
                self.gaps |= found.gaps if found is not None else {canonical}
            return answer

        return test

    def _of_system(self, part: Json) -> Test:
        wanted = str(part["system"])
        if "concept" in part:
            codes = frozenset(c if isinstance(c, str) else c.get("code") for c in part["concept"])
            return lambda system, code, _trail: system in (None, wanted) and code in codes
        inner = self._selected(wanted, part)

        def test(system: str | None, code: str, _trail: Trail) -> Answer:
            if system not in (None, wanted):
                return False
            answer = inner(code)
            if answer is None:
                self.gaps.add(wanted)
            return answer

        return test

    def _selected(self, system: str, part: Json) -> Callable[[str], Answer]:
        """The codes of a whole system, or those that all filters select."""
        filters = part.get("filter", ())
        if system in GRAMMARS and not filters:
            return GRAMMARS[system]
        canonical = f"{system}|{part['version']}" if "version" in part else system

        def test(code: str) -> Answer:
            codes = code_system(canonical, self._library, self._near)
            if codes is None:
                return None
            answer = codes.has(code)
            return answer and all_of(_filtered(codes, code, one) for one in filters)

        return test


def value_set(canonical: str, library: Library, near: Definition | None = None) -> ValueSet | None:
    """The value set that is meant; None when it is not known, or is one of those that are being looked into."""
    definition = library.find(canonical, near)
    if definition is None or definition.kind != "ValueSet":
        return None
    found: ValueSet | None = library.compiled.get(definition)
    if found is None:
        found = library.compiled[definition] = ValueSet(definition, library)
    return found


def code_system(canonical: str, library: Library, near: Definition | None = None) -> CodeSystem | None:
    """The code system that is meant; None when it is not known."""
    definition = library.find(canonical, near)
    if definition is None or definition.kind != "CodeSystem":
        return None
    found: CodeSystem | None = library.compiled.get(definition)
    if found is None:
        found = library.compiled[definition] = CodeSystem(definition.body)
    return found


def _filtered(codes: CodeSystem, code: str, condition: Json) -> Answer:
    test = FILTERS.get(str(condition.get("op")))
    if test is None:
        return None
    return test(codes, code, str(condition.get("property")), str(condition.get("value")))


def _equal(codes: CodeSystem, code: str, name: str, value: str) -> Answer:
    if name in HIERARCHY:
        return codes.key(code) == codes.key(value)
    if name == "parent":
        return codes.key(value) in codes.parents.get(codes.key(code), ())
    if name == "child":
        return codes.key(code) in codes.parents.get(codes.key(value), ())
    return value in codes.values(code, name) if codes.properties else None


def _values(codes: CodeSystem, code: str, name: str) -> list[str] | None:
    if name in HIERARCHY:
        return [code]
    return codes.values(code, name) if codes.properties else None


def _regex(codes: CodeSystem, code: str, name: str, value: str) -> Answer:
    values = _values(codes, code, name)
    try:
        return None if values is None else any(matches_full(found, value) for found in values)
    except HealixError:
        return None  # an expression that is none


def _one_of(codes: CodeSystem, code: str, name: str, value: str) -> Answer:
    values = _values(codes, code, name)
    listed = {item.strip() for item in value.split(",")}
    return None if values is None else not listed.isdisjoint(values)


def _exists(codes: CodeSystem, code: str, name: str, value: str) -> Answer:
    return bool(codes.values(code, name)) == (value == "true") if codes.properties else None


def _is_a(codes: CodeSystem, code: str, _name: str, value: str) -> Answer:
    return codes.key(code) == codes.key(value) or codes.is_below(code, value)


FILTERS: Mapping[str, Callable[[CodeSystem, str, str, str], Answer]] = MappingProxyType(
    {
        "=": _equal,
        "is-a": _is_a,
        "descendent-of": lambda codes, code, _, value: codes.is_below(code, value),
        "is-not-a": lambda codes, code, name, value: not _is_a(codes, code, name, value),
        "generalizes": lambda codes, code, name, value: _is_a(codes, value, name, code),
        "regex": _regex,
        "in": _one_of,
        "not-in": lambda codes, code, name, value: negated(_one_of(codes, code, name, value)),
        "exists": _exists,
    }
)
"""Spec: FHIR R4, hl7.org/fhir/R4/valueset-filter-operator.html"""


def _expansion(expansion: Json) -> tuple[frozenset[tuple[str | None, str]], bool]:
    """The codes that an expansion lists, and whether these are all."""
    codes: set[tuple[str | None, str]] = set()
    open_: list[Sequence[Json]] = [expansion.get("contains", ())]
    while open_:
        for entry in open_.pop():
            if "code" in entry and not entry.get("abstract"):
                codes.add((entry.get("system"), entry["code"]))
            open_.append(entry.get("contains", ()))
    partial = (
        not expansion
        or expansion.get("offset")
        or expansion.get("total", len(codes)) > len(codes)
        or any(extension.get("url") in UNBOUNDED for extension in expansion.get("extension", ()))
    )
    return frozenset(codes), not partial
