"""One search parameter as a condition of the resource itself, without links to others (see search/chain).

Spec: FHIR R4, hl7.org/fhir/R4/search.html#modifiers, #combining
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.definitions import search_parameters
from healix_fhir.search import presence
from healix_fhir.search.asked import Asked
from healix_fhir.search.composites import Shape, shape
from healix_fhir.search.criteria import CRITERIA, SPECIAL
from healix_fhir.search.criteria_composite import composite
from healix_fhir.search.criteria_special import NAMED
from healix_fhir.search.nodes import And, Missing, Node, Not, Or
from healix_fhir.search.unions import parts
from healix_fhir.search.values import split

ALTERNATIVES = 500


def condition(type_name: str, name: str, value: str, bases: tuple[str, ...]) -> Node:
    """The condition of `name=value` on a resource of `type_name`; `name` is a known parameter with its modifier."""
    code, colon, modifier = name.partition(":")
    if colon and not modifier:
        raise invalid(f"{name}: a modifier must follow the colon", code="value")
    whole = [Asked(type_name, parameter, modifier, bases, code) for parameter in parts(type_name, code)]
    if modifier == "missing":
        return _missing(whole, value)
    values = split(value, ",")
    if len(values) > ALTERNATIVES:
        raise whole[0].too_many(ALTERNATIVES)
    if not all(values):
        raise whole[0].bad_value(value, "a list without empty alternatives")
    matches = either(node for asked in whole for one in values for node in alternatives(read(asked, one)))
    return Not(matches) if modifier in ("not", "not-in") else matches


def read(asked: Asked, value: str) -> Node:
    """The condition of one value."""
    if asked.parameter.type == "composite":
        return composite(asked, value, read)
    parameter = asked.parameter
    special = SPECIAL.get(parameter.code) or NAMED.get(parameter.url)
    return (special or CRITERIA[parameter.type])(asked, value)


def alternatives(node: Node) -> tuple[Node, ...]:
    """The nodes of which one must hold."""
    return node.nodes if isinstance(node, Or) else (node,)


def either(nodes: Iterable[Node]) -> Node:
    """One of the nodes holds."""
    found = tuple(dict.fromkeys(nodes))
    return found[0] if len(found) == 1 else Or(found)


def _missing(whole: Sequence[Asked], value: str) -> Node:
    if value not in ("true", "false"):
        raise whole[0].bad_value(value, "true or false")
    missing = tuple(_without(asked) for asked in whole)
    found = missing[0] if len(missing) == 1 else And(missing)
    return found if value == "true" else Not(found)


def _without(asked: Asked) -> Node:
    """The parameter has no value."""
    if asked.parameter.code in SPECIAL:
        return Or(())  # every resource has its id and the time of its last change
    if asked.parameter.components and shape(asked.type_name, asked.parameter) is Shape.CONDITIONS:
        known = search_parameters(asked.type_name)
        return Or(tuple(Missing(presence.number(known[part.code])) for part in asked.parameter.components))
    return Missing(presence.number(asked.parameter))
