"""One resource as `_summary` and `_elements` want it.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#parameters, hl7.org/fhir/R4/search.html#summary, #elements
"""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.kernel.errors import invalid, unsupported
from healix_fhir.model.subset import NAMES, read_subset


def shaped(body: bytes, type_name: str, params: Sequence[tuple[str, str]]) -> bytes:
    """What the parameters want of the stored resource `body`. Raises Invalid for what cannot be had."""
    if not params:
        return body
    subset = read_subset(params, (type_name,))
    if subset is None:
        return body
    if subset.summary == "count":
        raise invalid("_summary=count is for searches and histories", code="value")
    return subset.apply(body)


def refuse_shaping(params: Sequence[tuple[str, str]]) -> None:
    """Raise Unsupported for a request that changes something and asks for parts of what it gets back."""
    for name, value in params:
        if name in NAMES and (name, value) != ("_summary", "false"):
            raise unsupported(f"{name} is not supported on a request that may change something")
