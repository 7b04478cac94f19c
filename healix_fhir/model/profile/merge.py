"""One ElementDefinition constrained by another: what a differential changes and what is kept.

Spec: FHIR R4, hl7.org/fhir/R4/elementdefinition.html#interpretation
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

IDENTITY = ("id", "path", "sliceName")


def merge(base: Json, change: Json) -> Json:
    """`base` with what `change` says; invariants are added to those of the base, all else replaces."""
    merged = dict(base)
    for name, value in change.items():
        if name in IDENTITY:
            continue
        if name == "constraint":
            merged[name] = _constraints(base.get(name, []), value)
        elif name == "binding":
            merged[name] = {
                **({"valueSet": base[name]["valueSet"]} if "valueSet" in base.get(name, {}) else {}),
                **value,
            }
        elif name == "slicing":
            merged[name] = {**base.get(name, {}), **value}
        else:
            merged[name] = value
    if change.get("sliceName"):
        merged["sliceName"] = change["sliceName"]
    return merged


def _constraints(inherited: list[Json], own: list[Json]) -> list[Json]:
    """Invariants are inherited; one with the key of an inherited one replaces it."""
    keys = {constraint.get("key") for constraint in own}
    return [constraint for constraint in inherited if constraint.get("key") not in keys] + own
