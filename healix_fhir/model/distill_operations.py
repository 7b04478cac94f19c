"""The OperationDefinitions of R4, for healix_fhir/model/distill.

`operations.json.gz` holds them by id, as resources without narrative, contacts and extensions.

Spec: FHIR R4, hl7.org/fhir/R4/operationdefinition.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

LEFT_OUT = ("contact", "extension", "meta", "text")


def operations(definitions: Iterable[Json]) -> Json:
    """The definitions by id."""
    return {
        definition["id"]: _without(definition)
        for definition in sorted(definitions, key=lambda definition: str(definition["id"]))
        if definition["resourceType"] == "OperationDefinition"
    }


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner) for key, inner in value.items() if key not in LEFT_OUT}
    return [_without(inner) for inner in value] if isinstance(value, list) else value
