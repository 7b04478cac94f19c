"""Which slice a value belongs to, by the discriminators of the slicing.

A value discriminator compares what the definition of the slice says at the path: fixed values, patterns, required
bindings, there or below. The answer is None where it hangs on what is not known.

Spec: FHIR R4, hl7.org/fhir/R4/profiling.html#discriminator
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.fhirpath.evaluate.node import Node
from healix_fhir.model.profile.answer import Answer, all_of, any_of
from healix_fhir.model.profile.below import below
from healix_fhir.model.profile.binding import CODES
from healix_fhir.model.profile.definition import Definition
from healix_fhir.model.profile.element_tree import ElementNode, Json
from healix_fhir.model.profile.fixed import holds, is_equal, wanted
from healix_fhir.model.profile.inspection import Inspection
from healix_fhir.model.profile.path import Step, definitions, steps, values
from healix_fhir.model.profile.unfold import Unfold, profiles, type_codes
from healix_fhir.model.profile.value_set import value_set

Test: TypeAlias = Callable[[Node, Inspection], Answer]
Conforms: TypeAlias = Callable[[str, Node, Inspection], Answer]
"""Whether a value conforms to a profile."""


class Discriminators:
    """Makes the tests of one definition's slices."""

    def __init__(self, near: Definition, unfold: Unfold, conforms: Conforms) -> None:
        self._near = near
        self._unfold = unfold
        self._conforms = conforms

    def test(self, slicing: Json, slice_: ElementNode) -> Test:
        """Whether a value belongs to `slice_`. Raises Invalid for discriminators that R4 does not know."""
        discriminators = slicing.get("discriminator", ())
        if not discriminators:
            raise invalid(f"{self._near.url}: the slicing of '{slice_.name}' has no discriminator")
        tests = [self._one(str(d.get("type")), steps(str(d.get("path"))), slice_) for d in discriminators]
        if len(tests) == 1:
            return tests[0]
        return lambda node, inspection: all_of(test(node, inspection) for test in tests)

    def _one(self, kind: str, path: Sequence[Step], slice_: ElementNode) -> Test:
        if kind in ("value", "pattern"):
            return self._value(path, slice_)
        if kind == "exists":
            return self._exists(path, slice_)
        if kind == "type":
            return self._type(path, slice_)
        if kind == "profile":
            return self._profile(path, slice_)
        raise invalid(f"{self._near.url}: '{kind[:32]}' is no type of discriminator")

    def _value(self, path: Sequence[Step], slice_: ElementNode) -> Test:
        if [step.name for step in path] == ["url"] and profiles(slice_.definition, "profile"):
            urls = frozenset(canonical.partition("|")[0] for canonical in profiles(slice_.definition, "profile"))
            return lambda node, _inspection: node.value.get("url") in urls
        fits = [fit for part in definitions(slice_, path, self._unfold) if (fit := self._fits(part)) is not None]
        if not fits:
            return lambda _node, _inspection: True  # nothing in the slice tells it apart here

        def test(node: Node, inspection: Inspection) -> Answer:
            return any_of(fit(found, inspection) for found in values(node, path, inspection) for fit in fits)

        return test

    def _fits(self, part: ElementNode) -> Test | None:
        """Whether a value is what the definition of `part` says, in itself and below; None where it says nothing."""
        tests = [*_own(part.definition, self._near)]
        for child in part.children:
            said = [child, *(slice_ for slice_ in child.slices if slice_.definition.get("min"))]
            inner = [test for one in said if (test := self._fits(one)) is not None]
            tests += [_below(child, test) for test in inner]
        if not tests:
            return None
        return lambda node, inspection: all_of(test(node, inspection) for test in tests)

    def _exists(self, path: Sequence[Step], slice_: ElementNode) -> Test:
        parts = definitions(slice_, path, self._unfold)
        forbidden = any(part.definition.get("max") == "0" for part in parts)
        return lambda node, inspection: bool(values(node, path, inspection)) is not forbidden

    def _type(self, path: Sequence[Step], slice_: ElementNode) -> Test:
        if path and path[-1].function == "resolve":
            parts = definitions(slice_, path[:-1], self._unfold)
            types = {name for part in parts for name in self._target_types(part)}

            def resolved(node: Node, inspection: Inspection) -> Answer:
                names = [inspection.target_type(found) for found in values(node, path[:-1], inspection)]
                return any_of(None if name is None else name in types for name in names)

            return resolved
        codes = {code for part in definitions(slice_, path, self._unfold) for code in type_codes(part.definition)}
        return lambda node, inspection: any(found.type in codes for found in values(node, path, inspection))

    def _target_types(self, part: ElementNode) -> Iterable[str]:
        return (target.name for target in self._unfold.targets(part))

    def _profile(self, path: Sequence[Step], slice_: ElementNode) -> Test:
        resolves = bool(path) and path[-1].function == "resolve"
        parts = definitions(slice_, path[:-1] if resolves else path, self._unfold)
        kind = "targetProfile" if resolves else "profile"
        wanted_profiles = [canonical for part in parts for canonical in profiles(part.definition, kind)]

        def test(node: Node, inspection: Inspection) -> Answer:
            found = values(node, path, inspection)
            if not found and resolves:
                return None
            return any_of(self._conforms(profile, one, inspection) for one in found for profile in wanted_profiles)

        return test


def _own(definition: Json, near: Definition) -> Iterable[Test]:
    """What an ElementDefinition demands of the value itself."""
    fixed, pattern = wanted(definition, "fixed"), wanted(definition, "pattern")
    if fixed is not None:
        yield lambda node, _inspection: is_equal(node.value, fixed)
    if pattern is not None:
        yield lambda node, _inspection: holds(node.value, pattern)
    binding = definition.get("binding", {})
    if binding.get("strength") == "required" and binding.get("valueSet") and fixed is None and pattern is None:
        yield _bound(str(binding["valueSet"]), near)


def _bound(canonical: str, near: Definition) -> Test:
    def test(node: Node, inspection: Inspection) -> Answer:
        codes = CODES.get(node.structure)
        members = value_set(canonical, inspection.library, near)
        if codes is None or members is None or node.value is None:
            return None
        return any_of(members.contains(system, code) for system, code in codes(node.value))

    return test


def _below(child: ElementNode, test: Test) -> Test:
    """That some value of a child passes; one that need not be there may be absent."""
    name, optional = child.name.removesuffix("[x]"), not child.definition.get("min")

    def check(node: Node, inspection: Inspection) -> Answer:
        found = below(node, name)
        return any_of(test(one, inspection) for one in found) if found else optional

    return check
