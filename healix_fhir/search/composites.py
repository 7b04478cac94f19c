"""Composite parameters: how the parts of one value are kept together.

The parts of a composite value must match in the same element. Where the element is the resource itself, or does not
repeat, the parts are the conditions of the component parameters and nothing is stored. Where it repeats, what can be
known only by hash (tokens, references) becomes one hash of all parts, and what is compared (a quantity) one row under
the hash of the rest. A pair of numbers is kept as the two ends of one row.

`code-value-quantity` does not repeat, but is stored like a repeating one: "this code above that value" is then one
range of an index.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#composite
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from healix_fhir.model.custom import derived
from healix_fhir.model.definitions import Component, SearchParameter, extracted_parameters
from healix_fhir.model.elements import elements

HASHED = frozenset({"reference", "token"})

ERRATA: Mapping[str, Mapping[str, str]] = {
    "http://hl7.org/fhir/SearchParameter/DocumentReference-relationship": {"relatesto": "target", "relation": "code"}
}
"""Expressions of components that R4 has wrong, by the composite's URL: here, each has the other's."""


class Shape(Enum):
    """How the values of a composite are found."""

    CONDITIONS = "the conditions of the components"
    HASHES = "one hash of all components"
    AMOUNTS = "amounts under the hash of a token"
    PAIRS = "the condition of a component that does not repeat, and two numbers of one element"


@derived
def shape(type_name: str, parameter: SearchParameter) -> Shape | None:
    """The shape of a composite; None for one that cannot be kept in any of these ways."""
    types = [component.type for component in parameter.components]
    if types == ["token", "quantity"]:
        return Shape.AMOUNTS
    if not _repeats(parameter.expression):
        known = extracted_parameters(type_name)
        return Shape.CONDITIONS if all(part.code in known for part in parameter.components) else None
    if set(types) <= HASHED:
        return Shape.HASHES
    outer, *inner = parameter.components
    if outer.expression.startswith("%resource.") and [part.type for part in inner] == ["number", "number"]:
        return Shape.PAIRS
    return None


def expression(parameter: SearchParameter, component: Component) -> str:
    """The FHIRPath of a component, from the composite's element."""
    return ERRATA.get(parameter.url, {}).get(component.code, component.expression)


def _repeats(path: str) -> bool:
    """Whether a path from a resource leads to several elements."""
    structure, *names = path.split(".")
    if not all(name.isalnum() for name in (structure, *names)):
        return True
    for name in names:
        element = elements(structure).get(name)
        if element is None or element.repeats or element.choice:
            return True
        structure = element.types[0]
    return False
