"""Parameters whose values are those of several others: they have no index rows of their own.

`Observation?combo-code=x` is `code=x` or `component-code=x`: each arm of its expression is another parameter's whole
expression. A search reads the rows of those.

Spec: FHIR R4, hl7.org/fhir/R4/observation.html#search
"""

from __future__ import annotations

from healix_fhir.model.custom import derived, is_custom
from healix_fhir.model.definitions import SearchParameter, search_parameters, standard_parameters

UNION = " | "


@derived
def parts(type_name: str, code: str) -> tuple[SearchParameter, ...]:
    """The parameters whose rows a search by `code` reads: of most only its own."""
    whole = search_parameters(type_name)[code]
    arms = _arms(whole)
    if len(arms) < 2 or is_custom(whole.id):  # a custom one may go, or be there alone, at any time
        return (whole,)
    found: list[SearchParameter] = []
    covered: set[str] = set()
    for other in standard_parameters(type_name).values():
        theirs = _arms(other)
        if _alike(whole, other) and theirs < arms and not theirs & covered:
            found.append(other)
            covered |= theirs
    return tuple(found) if covered == arms else (whole,)


def is_union(type_name: str, parameter: SearchParameter) -> bool:
    """Whether the parameter has no rows of its own."""
    return not is_custom(parameter.id) and parts(type_name, parameter.code) != (parameter,)


def _arms(parameter: SearchParameter) -> frozenset[str]:
    return frozenset(parameter.expression.split(UNION))


def _alike(whole: SearchParameter, other: SearchParameter) -> bool:
    def expressions(parameter: SearchParameter) -> list[tuple[str, str]]:
        return [(component.type, component.expression) for component in parameter.components]

    return whole.type == other.type and whole.targets == other.targets and expressions(whole) == expressions(other)
