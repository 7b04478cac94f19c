"""The FHIR interaction that a method at an address is, as the audit trail names it.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-type-restful-interaction.html
"""

from __future__ import annotations

from collections.abc import Mapping

INTERACTIONS: Mapping[tuple[str, str], str] = {
    ("fhir.instance", "GET"): "read",
    ("fhir.instance", "PUT"): "update",
    ("fhir.instance", "PATCH"): "patch",
    ("fhir.instance", "DELETE"): "delete",
    ("fhir.type", "GET"): "search-type",
    ("fhir.type", "POST"): "create",
    ("fhir.type", "PUT"): "update",
    ("fhir.type", "PATCH"): "patch",
    ("fhir.type", "DELETE"): "delete",
    ("fhir.vread", "GET"): "vread",
    ("fhir.bundle", "GET"): "search-system",
    ("fhir.bundle", "POST"): "transaction",
}
"""By name of the address and method. A batch is never refused as a whole for what its entries ask."""


def interaction(name: str, method: str, path: Mapping[str, str]) -> str:
    """The interaction; the name of the address where it is none."""
    level = "instance" if "id" in path else "type" if "type" in path else "system"
    match name:
        case "fhir.history":
            return f"history-{level}"
        case "fhir.search":
            return f"search-{level}"
        case "fhir.compartment":
            return "search-type"
        case "fhir.operation":
            return f"${path['operation'][:64]}"
        case _:
            return INTERACTIONS.get((name, method), name)
