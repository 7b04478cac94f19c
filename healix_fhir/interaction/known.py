"""Parameters that an interaction has not: ignored, or refused where the caller wants to be told (handling=strict).

Spec: FHIR R4, hl7.org/fhir/R4/search.html#errors, hl7.org/fhir/R4/http.html#parameters
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.subset import NAMES
from healix_fhir.search.controls import EDGE

READ = EDGE.union(NAMES)
"""The parameters of a read."""


def known(
    params: Sequence[tuple[str, str]], names: Collection[str] = READ, *, strict: bool
) -> Sequence[tuple[str, str]]:
    """Those of `params` that are among `names`; Invalid for another one where `strict`."""
    for name, _ in params:
        if strict and name not in names:
            raise invalid(f"the parameter '{name[:64]}' is not known here", code="not-supported")
    return [(name, value) for name, value in params if name in names]
