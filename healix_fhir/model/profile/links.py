"""Which other definitions a definition names: what has to be at hand before it can be used.

Spec: FHIR R4, hl7.org/fhir/R4/structuredefinition.html, hl7.org/fhir/R4/valueset.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from healix_fhir.model.profile.definition import Definition, split

Json = dict[str, Any]


def links(definition: Definition) -> set[str]:
    """The urls (without versions) of the definitions that `definition` names."""
    body = definition.body
    named = _value_set(body) if definition.kind == "ValueSet" else _structure(body)
    return {split(canonical)[0] for canonical in named if isinstance(canonical, str) and ":" in canonical}


def _structure(body: Json) -> Iterator[Any]:
    yield body.get("baseDefinition")
    for view in ("snapshot", "differential"):
        for element in body.get(view, {}).get("element", ()):
            for entry in element.get("type", ()):
                yield from entry.get("profile", ())
                yield from entry.get("targetProfile", ())
            binding = element.get("binding", {})
            if binding.get("strength") in ("required", "extensible"):
                yield binding.get("valueSet")
            for extension in binding.get("extension", ()):
                yield extension.get("valueCanonical")


def _value_set(body: Json) -> Iterator[Any]:
    compose = body.get("compose") or {}
    for part in (*compose.get("include", ()), *compose.get("exclude", ())):
        yield from part.get("valueSet", ())
        if "concept" not in part:
            yield part.get("system")
