"""`near`: where a Location is.

Spec: FHIR R4, hl7.org/fhir/R4/location.html#positional
"""

from __future__ import annotations

from typing import Any

from healix_fhir.search.params.collector import Collector, Emit

POSITION = "Location.position"


def emitter(param_id: int, structure: str) -> Emit | None:
    """What adds positions; None for a structure that is none."""
    if structure != POSITION:
        return None

    def emit(items: list[Any], rows: Collector) -> None:
        for position in items:
            if "latitude" in position and "longitude" in position:
                rows.positions.append((param_id, float(position["latitude"]), float(position["longitude"])))

    return emit
