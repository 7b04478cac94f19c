"""The nodes of a child element, whatever JSON property holds them.

Spec: FHIR R4, hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.model.elements import PRIMITIVES
from healix_fhir.model.fhirpath.evaluate.node import Node, extensions_of, properties, take


def below(node: Node, name: str) -> Sequence[Node]:
    """The nodes of the child element `name` (without `[x]`); what breaks the structure of R4 is passed over."""
    if node.type in PRIMITIVES:
        holder = extensions_of(node)
        return below(holder, name) if holder is not None else ()
    if type(node.value) is not dict:
        return ()
    places = properties(node.structure, name)
    if len(places) == 1:
        return _sound(take(node, places[0])) if places[0].key in node.value or places[0].beside in node.value else ()
    return [found for place in places for found in _sound(take(node, place))]


def _sound(nodes: list[Node]) -> list[Node]:
    """Without what is no object although its type has elements."""
    return [node for node in nodes if type(node.value) is dict or node.type in PRIMITIVES]
