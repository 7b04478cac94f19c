"""One search parameter as a condition of the resource itself, without links to others (see search/chain).

Spec: FHIR R4, hl7.org/fhir/R4/search.html#modifiers, #combining
"""

from __future__ import annotations

from healix_fhir.kernel.errors import invalid, unsupported
from healix_fhir.model.definitions import search_parameters
from healix_fhir.search.asked import Asked
from healix_fhir.search.criteria import CRITERIA, SPECIAL
from healix_fhir.search.index_facts import main_date
from healix_fhir.search.nodes import Missing, Node, Not, Or, Stored
from healix_fhir.search.values import split

ALTERNATIVES = 500
STORED = {"string": Stored.STRING, "date": Stored.DATE, "reference": Stored.REFERENCE}


def condition(type_name: str, name: str, value: str, bases: tuple[str, ...]) -> Node:
    """The condition of `name=value` on a resource of `type_name`; `name` is a known parameter with its modifier."""
    code, _, modifier = name.partition(":")
    asked = Asked(type_name, search_parameters(type_name)[code], modifier, bases)
    if modifier == "missing" and code not in SPECIAL:
        return _missing(asked, value)
    values = split(value, ",")
    if len(values) > ALTERNATIVES:
        raise invalid(f"{asked.name} takes at most {ALTERNATIVES} alternatives", code="too-costly")
    read = SPECIAL.get(code) or CRITERIA[asked.parameter.type]
    nodes: list[Node] = []
    for one in values:
        if not one:
            raise asked.bad_value(value, "a list without empty alternatives")
        node = read(asked, one)
        nodes.extend(node.nodes if isinstance(node, Or) else (node,))
    matches = nodes[0] if len(nodes) == 1 else Or(tuple(dict.fromkeys(nodes)))
    return Not(matches) if modifier == "not" else matches


def _missing(asked: Asked, value: str) -> Node:
    stored = STORED.get(asked.parameter.type)
    if stored is None:
        raise unsupported(f"{asked.name}: :missing is not supported for {asked.parameter.type} parameters")
    if value not in ("true", "false"):
        raise asked.bad_value(value, "true or false")
    main = asked.parameter.code == main_date(asked.type_name)
    missing = Missing(asked.parameter.id, None if main else stored)
    return missing if value == "true" else Not(missing)
