"""String parameters: each string in a value, folded and exact.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#string
"""

from __future__ import annotations

from typing import Any

from healix_fhir.search.grams import literal
from healix_fhir.search.params.collector import Collector, Emit
from healix_fhir.search.strings import fold

PARTS = {
    "HumanName": ("text", "family", "given", "prefix", "suffix"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}
"""The elements of a complex type that a string parameter on it searches."""

STRINGS = frozenset({"markdown", "string"})


def emitter(param_id: int, fhir_type: str) -> Emit | None:
    """What adds the strings of values of `fhir_type`; None for a type without any."""
    if fhir_type in STRINGS:
        return _strings(param_id)
    if fhir_type in PARTS:
        return _parts(param_id, PARTS[fhir_type])
    return None


def _strings(param_id: int) -> Emit:
    def emit(items: list[Any], rows: Collector) -> None:
        for text in items:
            folded = fold(text)
            if folded:
                rows.strings.append((param_id, folded, text, literal(param_id, folded)))

    return emit


def _parts(param_id: int, names: tuple[str, ...]) -> Emit:
    strings = _strings(param_id)

    def emit(items: list[Any], rows: Collector) -> None:
        for value in items:
            for name in names:
                part = value.get(name)
                if part is not None:
                    strings([part] if type(part) is str else [text for text in part if text is not None], rows)

    return emit
