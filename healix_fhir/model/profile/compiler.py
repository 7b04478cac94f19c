"""Compiles a StructureDefinition to closures, once for each process; what says no more than the base rules is left out.

Two things are compiled so. A profile: its snapshot, element by element. And R4's own definitions, for what the base
rules of healix_fhir/model/structure do not cover (invariants, extensible bindings); those reach into data types.

Spec: FHIR R4, hl7.org/fhir/R4/profiling.html, hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import PRIMITIVES, RESTRICTED, Element, elements, is_structure, required_codes
from healix_fhir.model.fhirpath.evaluate.node import Node
from healix_fhir.model.problems import Problem
from healix_fhir.model.profile.answer import Answer
from healix_fhir.model.profile.binding import binding_checks
from healix_fhir.model.profile.constraint import constraint_checks
from healix_fhir.model.profile.definition import Definition, split
from healix_fhir.model.profile.discriminator import Discriminators, Test
from healix_fhir.model.profile.element_rule import by_type, element_rule, inside, not_allowed
from healix_fhir.model.profile.element_tree import ElementNode, Json
from healix_fhir.model.profile.fixed import fixed_check, pattern_check
from healix_fhir.model.profile.inspection import CORE, DEPTH, NONE, Check, Inspection, every, has_error
from healix_fhir.model.profile.library import Library
from healix_fhir.model.profile.limits import limit_checks
from healix_fhir.model.profile.slicing import DEFAULT, Slice, Slicing
from healix_fhir.model.profile.target import ANY, target_check
from healix_fhir.model.profile.unfold import Unfold, type_codes


def compiled(definition: Definition, library: Library) -> Check:
    """The check of values by a StructureDefinition. Raises Invalid for one that cannot be understood."""
    found: Check | None = library.compiled.get(definition)
    if found is None:
        found = library.compiled[definition] = Compiler(definition, library).compile()
    return found


def judge(canonical: str, near: Definition | None, node: Node, inspection: Inspection) -> Sequence[Problem]:
    """What is wrong with a node by the profile that `canonical`, standing in `near`, means."""
    definition = inspection.library.structure(canonical, near)
    return compiled(definition, inspection.library)(node, inspection)


class Compiler:
    """Compiles one definition. `_deep`: it is one of R4's types, whose data types are judged with it."""

    def __init__(self, definition: Definition, library: Library) -> None:
        self._definition = definition
        self._library = library
        self._type = str(definition.body.get("type"))
        self._deep = definition.body.get("derivation") != "constraint"
        self._discriminators = Discriminators(definition, Unfold(library, definition), self._conforms)

    def compile(self) -> Check:
        """The check of the whole."""
        if self._type not in TYPE_ID and self._type not in PRIMITIVES and not is_structure(self._type):
            raise invalid(f"{self._definition.url} is about {self._type[:64]}, which is no type of R4")
        self._root = self._library.tree(self._definition)
        return self._node(self._root, self._type) or _nothing

    def _node(self, part: ElementNode, structure: str) -> Check | None:
        """The check of one value of an element, when that is of `structure`."""
        definition = part.definition
        if "contentReference" in definition:
            return self._content(str(definition["contentReference"]), structure)
        checks = [check for check in (fixed_check(definition), pattern_check(definition)) if check is not None]
        if not self._deep:
            checks += limit_checks(definition)
        rules = self._children(part, structure)
        if rules is not None:
            checks.append(rules)
        checks += self._type_checks(part, structure)
        checks += constraint_checks(definition, self._inherited(part))
        return every(checks)

    def _inherited(self, part: ElementNode) -> frozenset[str]:
        """The keys of the invariants that the base of a profile has on an element; they are judged with the base."""
        if self._deep:
            return frozenset()
        base = str(part.definition.get("base", {}).get("path"))
        type_name = base.partition(".")[0]
        if type_name not in TYPE_ID and not is_structure(type_name):
            return frozenset()
        found: ElementNode | None = self._library.tree(self._library.structure(CORE + type_name))
        for name in base.split(".")[1:]:
            found = found.child(name) if found is not None else None
        return frozenset(str(c.get("key")) for c in found.definition.get("constraint", ())) if found else frozenset()

    def _children(self, part: ElementNode, structure: str) -> Check | None:
        table = elements("Element" if structure in PRIMITIVES else structure)
        rules = []
        for child in part.children:
            element = table.get(child.name.removesuffix("[x]"))  # a primitive's value has none
            rule = self._element(child, element) if element is not None else None
            if rule is not None:
                rules.append(rule)
        return inside(rules)

    def _content(self, reference: str, structure: str) -> Check:
        """The rules of the element that a contentReference names, made when first needed."""
        made: list[Check] = []

        def check(node: Node, inspection: Inspection) -> Sequence[Problem]:
            if not made:
                made.append(self._node(self._referred(reference), structure) or _nothing)
            return made[0](node, inspection)

        return check

    def _referred(self, reference: str) -> ElementNode:
        url, _, path = reference.partition("#")
        part = self._library.tree(self._library.structure(url, self._definition)) if url else self._root
        for step in path.split(".")[1:]:
            name, _, slice_ = step.partition(":")
            child = part.child(name)
            child = child.find_slice(slice_) if child is not None and slice_ else child
            if child is None:
                raise invalid(f"{self._definition.url}: the contentReference '{reference[:100]}' names no element")
            part = child
        return part

    def _element(self, part: ElementNode, element: Element) -> Check | None:
        """The rule of one element on the node that holds it."""
        check = self._value(part, element)
        least = int(part.definition.get("min") or 0)
        least = least if least > element.min else 0
        most = _most(part.definition)
        most = None if most is None or (element.max is not None and most >= element.max) else most
        slicing = self._slicing(part, element)
        if not least and most is None and slicing is None and check is None:
            return None
        return element_rule(element.name, check, least, most, slicing)

    def _value(self, part: ElementNode, element: Element) -> Check | None:
        """The check of a value of an element, by the type that it has."""
        codes = type_codes(part.definition)
        if element.types == ("Resource",):
            return self._resource(part, codes)
        checks: dict[str, Check] = {}
        for structure in element.types:
            if element.choice and codes and RESTRICTED.get(structure, structure) not in codes:
                checks[structure] = not_allowed(codes)
                continue
            found = [self._node(part, structure), *self._binding(part, element, structure)]
            check = every([check for check in found if check is not None])
            if check is not None:
                checks[structure] = check
        return by_type(checks, single=not element.choice)

    def _resource(self, part: ElementNode, codes: Sequence[str]) -> Check | None:
        """The check of an element that holds a whole resource; what its own type says is judged elsewhere."""
        if not codes or any(code in ANY for code in codes):
            return None
        inner = {code: self._node(part, code) or _nothing for code in codes if code in TYPE_ID}
        refused = not_allowed(codes)
        return lambda node, inspection: inner.get(node.type, refused)(node, inspection)

    def _binding(self, part: ElementNode, element: Element, structure: str) -> Iterator[Check]:
        binding = part.definition.get("binding")
        if not binding:
            return
        same = split(str(binding.get("valueSet")))[0] == element.binding
        if not (same and binding.get("strength") == "required" and required_codes(element.binding) is not None):
            yield from binding_checks(binding, structure, self._definition)  # else the base rules have done it

    def _type_checks(self, part: ElementNode, structure: str) -> Iterator[Check]:
        """The profiles on the type of a value, and on what it refers to; the data type's own definition."""
        if part is self._root:
            return
        entries = [e for e in part.definition.get("type", ()) if e.get("code") == RESTRICTED.get(structure, structure)]
        targets = [canonical for entry in entries for canonical in entry.get("targetProfile", ())]
        if structure == "Reference" and targets and not self._deep:
            check = target_check(targets, self._definition, self._library, self._judge)
            if check is not None:
                yield check
        profiles = [c for entry in entries for c in entry.get("profile", ()) if c.removeprefix(CORE) not in RESTRICTED]
        if profiles and structure != "Extension":  # extensions are judged by their url, wherever they are
            yield self._any_profile(profiles)
        elif self._deep and not part.children and structure not in PRIMITIVES and "." not in structure:
            yield _data_type(RESTRICTED.get(structure, structure))

    def _any_profile(self, profiles: Sequence[str]) -> Check:
        def check(node: Node, inspection: Inspection) -> Sequence[Problem]:
            if inspection.depth >= DEPTH:
                return NONE
            found = [self._judge(profile, node, inspection.deeper()) for profile in profiles]
            return next((problems for problems in found if not has_error(problems)), found[0])

        return check

    def _judge(self, canonical: str, node: Node, inspection: Inspection) -> Sequence[Problem]:
        return judge(canonical, self._definition, node, inspection)

    def _conforms(self, canonical: str, node: Node, inspection: Inspection) -> Answer:
        if inspection.depth >= DEPTH:
            return None
        return not has_error(self._judge(canonical, node, inspection.deeper()))

    def _slicing(self, part: ElementNode, element: Element) -> Slicing | None:
        if not part.slices:
            return None
        slicing = part.definition.get("slicing", {})
        slices = [self._slice(slicing, one, element) for one in part.slices if one.slice != DEFAULT]
        default = next((self._slice(None, one, element) for one in part.slices if one.slice == DEFAULT), None)
        rules, ordered = str(slicing.get("rules", "open")), slicing.get("ordered") is True
        return Slicing(element.name, rules, ordered, slices, default)

    def _slice(self, slicing: Json | None, part: ElementNode, element: Element) -> Slice:
        test: Test = self._discriminators.test(slicing, part) if slicing is not None else _always
        least, most = int(part.definition.get("min") or 0), _most(part.definition)
        return Slice(part.slice, test, least, most, self._value(part, element), self._slicing(part, element))


def _data_type(structure: str) -> Check:
    """The definition of a data type, looked up when first needed: types hold each other."""

    def check(node: Node, inspection: Inspection) -> Sequence[Problem]:
        return judge(CORE + structure, None, node, inspection)

    return check


def _most(definition: Json) -> int | None:
    most = definition.get("max")
    return int(most) if isinstance(most, str) and most.isdigit() else None


def _nothing(_node: Node, _inspection: Inspection) -> Sequence[Problem]:
    return NONE


def _always(_node: Node, _inspection: Inspection) -> Answer:
    return True
