"""Number and quantity parameters: the amounts of values of each FHIR type.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#number, hl7.org/fhir/R4/search.html#quantity
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from healix_fhir.search import amounts
from healix_fhir.search.amounts import Amount
from healix_fhir.search.params.collector import Collector, Emit

AMOUNT_OF: Mapping[str, Callable[[Any], Amount | None]] = {
    **dict.fromkeys(("decimal", "integer", "positiveInt", "unsignedInt"), amounts.number),
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), amounts.quantity),
    "Money": amounts.money,
    "Range": amounts.span,
    "SampledData": amounts.sampled,
}
"""The amount of a value by its FHIR type; other types have none."""


def emitter(key: int, fhir_type: str) -> Emit | None:
    """What adds the amounts of values of `fhir_type` under the key of their parameter; None for a type without any."""
    amount_of = AMOUNT_OF.get(fhir_type)
    if amount_of is None:
        return None

    def emit(items: list[Any], rows: Collector) -> None:
        for value in items:
            amount = amount_of(value)
            if amount is not None:
                rows.amounts.append((key, None, *amount))

    return emit
