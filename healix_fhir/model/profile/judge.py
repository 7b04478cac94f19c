"""The judgement of a resource: structure, R4's own rules, the profiles that are asked for or claimed, extensions.

All issues are told at once. Several findings of one rule about what cannot be checked are told as one, with the places.

Spec: FHIR R4, hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from healix_fhir.kernel.errors import HealixError, Issue
from healix_fhir.model.fhirpath.evaluate.node import Node
from healix_fhir.model.problems import LIMIT, Problem
from healix_fhir.model.profile.compiler import compiled
from healix_fhir.model.profile.definition import Definition, split
from healix_fhir.model.profile.environment import environment
from healix_fhir.model.profile.extension import judge_extension
from healix_fhir.model.profile.inspection import CORE, TOO_COSTLY, Inspection
from healix_fhir.model.profile.library import Library, NotLoadedError
from healix_fhir.model.profile.survey import Survey, declared, entries, survey
from healix_fhir.model.validate import validate

Json = dict[str, Any]
SEVERITIES = ("fatal", "error", "warning", "information")
SECONDS = 10.0
"""How long one judgement may take."""
PLACES = 20
"""How many places one issue about what cannot be checked lists."""
ALONE: Mapping[str, Node] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Extent:
    """What is judged. `profiles` are those that the resource must meet, whatever it claims."""

    profiles: Sequence[str] = ()
    claims: bool = True
    structure: bool = True
    base: bool = True
    extensions: bool = True


def judge(
    resource: Json, type_name: str, extent: Extent, library: Library, around: Mapping[str, Node] = ALONE
) -> tuple[Issue, ...]:
    """Every issue of a resource, the gravest first. Raises NotLoadedError while definitions have to be looked up.

    References may lead to the resources `around`, by Type/id, which have to be as the references want them.
    """
    issues = list(validate(resource, type_name)) if extent.structure else []
    if resource.get("resourceType") != type_name:
        return tuple(issues)
    seen = survey(resource)
    asked = {*extent.profiles, *(seen.profiles() if extent.claims else ())}
    library.require({split(url)[0] for url in {*asked, *(seen.urls() if extent.extensions else ())}})
    until = time.monotonic() + SECONDS
    inspection = Inspection(library, environment(library), entries(seen.resources), until=until, around=around)
    problems = _Findings()
    for node in seen.resources:
        if extent.base:
            problems.add(compiled(library.structure(CORE + node.type), library)(node, inspection))
    near = _profiles(seen, extent, inspection, problems)
    if extent.extensions:
        for carrier, extension in seen.extensions:
            try:
                problems.add(judge_extension(carrier, extension, near, inspection))
            except HealixError as error:
                if error.issues[0].code == TOO_COSTLY:
                    raise
                message = f"the definition of the extension cannot be used: {error.message}"
                problems.add([Problem(extension.location, "processing", message)])
    if inspection.questions:
        raise NotLoadedError(library, (), inspection.questions)
    return tuple(sorted(_merged(issues, problems.found), key=lambda issue: SEVERITIES.index(issue.severity)))[:LIMIT]


def _profiles(seen: Survey, extent: Extent, inspection: Inspection, problems: _Findings) -> Definition | None:
    """Judge by profiles; the first of them, in whose package extensions are looked for first."""
    first = None
    for number, node in enumerate(seen.resources):
        wanted = [(url, node.location) for url in extent.profiles] if number == 0 else []
        wanted += declared(node) if extent.claims else ()
        for canonical, place in dict(wanted).items():
            definition = inspection.library.find(canonical)
            unusable = _unusable(definition, canonical, node)
            if unusable:
                problems.add([Problem(place, *unusable)])
            elif definition is not None:
                first = first or definition
                problems.add(_by(definition, node, place, inspection), definition.url)
    return first


def _unusable(definition: Definition | None, canonical: str, node: Node) -> tuple[str, str] | None:
    """Why a profile cannot be used for a node, as code and message."""
    if definition is None or definition.kind != "StructureDefinition":
        return "not-found", f"the profile {canonical[:200]} is not known"
    about = definition.body.get("type")
    if about not in (node.type, "Resource", "DomainResource"):
        return "value", f"the profile {canonical[:200]} is about {str(about)[:64]}, not about {node.type}"
    return None


def _by(definition: Definition, node: Node, place: str, inspection: Inspection) -> Sequence[Problem]:
    """What is wrong by a profile; that the profile makes no sense is one problem."""
    try:
        return compiled(definition, inspection.library)(node, inspection)
    except HealixError as error:
        if error.issues[0].code == TOO_COSTLY:
            raise
        return [Problem(place, "processing", f"the profile {definition.url} cannot be used: {error.message}")]


class _Findings:
    """Problems in the order in which they were found, each once, whichever definition has it."""

    def __init__(self) -> None:
        self.found: dict[Problem, str] = {}

    def add(self, problems: Iterable[Problem], origin: str = "") -> None:
        """Take problems; `origin` is the profile that they come from."""
        for problem in problems:
            self.found.setdefault(problem, origin)


def _merged(issues: list[Issue], found: Mapping[Problem, str]) -> list[Issue]:
    """All as issues; a finding where the structure is already told to be wrong in the same way is left out."""
    known = {(issue.code, place) for issue in issues for place in issue.expression}
    unchecked: dict[str, list[str]] = {}
    for problem, origin in found.items():
        if problem.severity == "information":
            unchecked.setdefault(problem.message, []).append(problem.location)
        elif (problem.code, problem.location) not in known:
            by = f" (profile {origin})" if origin else ""
            message = f"{problem.location}: {problem.message}{by}"
            issues.append(Issue(problem.code, message, (problem.location,), problem.severity))
    for message, places in unchecked.items():
        issues.append(Issue("not-supported", f"{places[0]}: {message}", tuple(places[:PLACES]), "information"))
    return issues
