"""Extensions: each is judged by the definition that its url names, wherever it stands, and may stand there or not.

Spec: FHIR R4, hl7.org/fhir/R4/defining-extensions.html, hl7.org/fhir/R4/extensibility.html#extension
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import PRIMITIVES
from healix_fhir.model.fhirpath.engine import expression
from healix_fhir.model.fhirpath.evaluate.node import Node, holder
from healix_fhir.model.problems import Problem
from healix_fhir.model.profile.compiler import compiled
from healix_fhir.model.profile.definition import Definition, split
from healix_fhir.model.profile.inspection import Inspection, problem

Json = dict[str, Any]
INDEX = re.compile(r"\[\d+\]")
ANYWHERE = frozenset({"Element", "*", "Any", "Base"})
ON_RESOURCES = frozenset({"Resource", "DomainResource", "CanonicalResource", "MetadataResource"})


def judge_extension(
    carrier: Node, extension: Node, near: Definition | None, inspection: Inspection
) -> Sequence[Problem]:
    """What is wrong with an extension, by its definition and by the element that carries it."""
    url = extension.value.get("url")
    if not isinstance(url, str):
        return ()
    if ":" not in url:  # a part of the extension around, whose definition describes it
        return (
            () if carrier.type == "Extension" else problem(extension, "extension", f"the url '{url[:100]}' is relative")
        )
    definition = inspection.library.find(url, near)
    if definition is None or definition.body.get("type") != "Extension":
        return _unknown(extension, url)
    found = list(compiled(definition, inspection.library)(extension, inspection))
    return found + _position(carrier, extension, definition, inspection)


def _unknown(extension: Node, url: str) -> Sequence[Problem]:
    modifies = extension.name == "modifierExtension"
    message = f"the extension {url[:200]} is not known, so that it is not checked"
    return problem(extension, "not-supported", message, "warning" if modifies else "information")


def _position(carrier: Node, extension: Node, definition: Definition, inspection: Inspection) -> list[Problem]:
    found: list[Problem] = []
    url = definition.url
    modifies = inspection.library.tree(definition).definition.get("isModifier") is True
    if modifies is not (extension.name == "modifierExtension") and carrier.type != "Extension":
        place = "modifierExtension" if modifies else "extension"
        found += problem(extension, "extension", f"{url} belongs into '{place}'")
    contexts = definition.body.get("context", ())
    if contexts and not any(_fits(context, carrier, inspection) for context in contexts):
        words = ", ".join(str(context.get("expression")) for context in contexts)
        found += problem(extension, "extension", f"{url} may stand in {words[:300]} only")
    for rule in definition.body.get("contextInvariant", ()):
        environment = replace(inspection.environment, constants={"extension": (extension,)})
        try:
            if not expression(str(rule)).holds(carrier, environment):
                found += problem(extension, "invariant", f"{url} may stand only where {rule}")
        except HealixError as error:
            message = f"the context invariant of {url} cannot be checked: {error.message}"
            found += problem(extension, "not-supported", message, "information")
    return found


def _fits(context: Json, carrier: Node, inspection: Inspection) -> bool:
    kind, text = context.get("type"), str(context.get("expression"))
    if kind == "extension":
        url, _, element = text.partition("#")
        return bool(
            carrier.type == "Extension"
            and split(url)[0] == carrier.value.get("url")
            and element != "Extension.value[x]"
        )
    if kind == "fhirpath":
        return _selected(text, carrier, inspection)
    return text.rpartition("#")[2] in ANYWHERE or text.rpartition("#")[2].replace("[x]", "") in _names(carrier)


def _names(carrier: Node) -> set[str]:
    """What a context may call the element that carries an extension."""
    names = {INDEX.sub("", carrier.location), carrier.type, carrier.structure}
    if carrier.type in TYPE_ID:
        names |= ON_RESOURCES
    elif carrier.type not in PRIMITIVES and carrier.type != "BackboneElement":
        names.add("DataType")
    if carrier.parent is not None:
        names.add(f"{carrier.parent.structure}.{carrier.name}")
        resource = holder(carrier)
        if resource is not None:  # from the resource that it is part of, where that is within another
            steps = INDEX.sub("", carrier.location).removeprefix(INDEX.sub("", resource.location))
            names.add(f"{resource.type}{steps}")
    return names


def _selected(text: str, carrier: Node, inspection: Inspection) -> bool:
    """Whether a FHIRPath context selects the element, or is true."""
    resource = holder(carrier)
    if resource is None:
        return False
    try:
        found = expression(text).evaluate(resource.value, focus=resource, environment=inspection.environment)
    except HealixError:
        return True  # a rule that cannot be evaluated forbids nothing
    return any((node.value is carrier.value and node.name == carrier.name) or node.value is True for node in found)
