"""Bindings: the codes that an element may have.

required: an error where a code is not in the value set. extensible: a warning. preferred and example: nothing. A value
set whose members are not known is told of, by name, and never taken for a yes.

Spec: FHIR R4, hl7.org/fhir/R4/terminologies.html#strength
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from healix_fhir.model.fhirpath.evaluate.node import Node
from healix_fhir.model.problems import Problem
from healix_fhir.model.profile.answer import Answer, any_of
from healix_fhir.model.profile.definition import Definition, split
from healix_fhir.model.profile.inspection import NONE, Check, Inspection, problem
from healix_fhir.model.profile.library import Library
from healix_fhir.model.profile.value_set import ValueSet, value_set

Json = dict[str, Any]
Code = tuple[str | None, str]

SEVERITY = {"required": "error", "extensible": "warning"}
MAXIMUM = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
UNCHECKED = "not-supported"
"""The issue code of what cannot be checked; all such findings about one value set are told as one."""


def binding_checks(binding: Json, type_name: str, near: Definition) -> Iterator[Check]:
    """The checks of a binding on values of `type_name`."""
    codes = CODES.get(type_name)
    if codes is None:
        return
    severity = SEVERITY.get(str(binding.get("strength")))
    if severity and binding.get("valueSet"):
        yield _check(str(binding["valueSet"]), severity, codes, near)
    for extension in binding.get("extension", ()):
        if extension.get("url") == MAXIMUM and binding.get("strength") != "required":
            maximum = extension.get("valueCanonical") or extension.get("valueUri")
            yield _check(str(maximum), "error", codes, near, needs_code=False)


def _check(
    canonical: str, severity: str, codes: Callable[[Any], list[Code]], near: Definition, *, needs_code: bool = True
) -> Check:
    needs_code = needs_code and severity == "error"
    url = split(canonical)[0]

    def check(node: Node, inspection: Inspection) -> Sequence[Problem]:
        if node.value is None:
            return NONE
        found = codes(node.value)
        if not found:
            if needs_code and type(node.value) is dict:
                return problem(node, "code-invalid", f"needs a code of the value set {url}")
            return NONE
        members = _members(canonical, near, inspection.library)
        answer = any_of(members.contains(system, code) for system, code in found) if members is not None else None
        if answer is None:
            answer = _of_terminology(canonical, members, found, inspection)
        if answer:
            return NONE
        if members is None and answer is None:
            return problem(node, UNCHECKED, f"the value set {canonical} is not known", "information")
        if members is not None and answer is None:
            return problem(node, UNCHECKED, _gap(url, members), "information")
        shown = ", ".join(f"{system or ''}#{code}" for system, code in found)[:200]
        return problem(node, "code-invalid", f"{shown} is not in the value set {url}", severity)

    return check


def _of_terminology(canonical: str, members: ValueSet | None, found: Sequence[Code], inspection: Inspection) -> Answer:
    """What terminology answers, which has code systems that are no definitions; until it is asked, yes."""
    if canonical.startswith("#"):
        return None
    exact = canonical if members is None else members.canonical
    unknown = [code for code in found if members is None or members.contains(*code) is None]
    questions = [(exact, system, code) for system, code in unknown]
    missing = inspection.library.unanswered(questions)
    if missing:
        inspection.questions.update(missing)
        return True
    return any_of(map(inspection.library.answer, questions))


def _members(canonical: str, near: Definition, library: Library) -> ValueSet | None:
    """The value set; one that the definition itself contains by its fragment."""
    if canonical.startswith("#"):
        for body in near.body.get("contained", ()):
            if body.get("id") == canonical[1:] and body.get("resourceType") == "ValueSet":
                return ValueSet(Definition(canonical, "", body, near.package), library)
        return None
    return value_set(canonical, library, near)


def _gap(url: str, members: ValueSet) -> str:
    systems = ", ".join(sorted(members.gaps))
    return f"the value set {url} cannot be checked: " + (
        f"{systems} is not at hand" if systems else "it cannot be listed"
    )


def _bare(value: Any) -> list[Code]:
    return [(None, value)] if isinstance(value, str) else []


def _coding(value: Any) -> list[Code]:
    """A Coding, or the unit of a Quantity."""
    code, system = value.get("code"), value.get("system")
    return [(system if isinstance(system, str) else "", code)] if isinstance(code, str) else []


def _concept(value: Any) -> list[Code]:
    codings = value.get("coding")
    if not isinstance(codings, list):
        return []
    return [code for coding in codings if isinstance(coding, dict) for code in _coding(coding)]


CODES: dict[str, Callable[[Any], list[Code]]] = {
    "code": _bare,
    "string": _bare,
    "uri": _bare,
    "url": _bare,
    "canonical": _bare,
    "id": _bare,
    "Coding": _coding,
    "Quantity": _coding,
    "SimpleQuantity": _coding,
    "Age": _coding,
    "Duration": _coding,
    "Money": lambda value: _bare(value.get("currency")),
    "CodeableConcept": _concept,
}
