"""Values of composite parameters to nodes: parts joined by `$`, each as its own parameter is asked for.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#composite
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import TypeAlias

from healix_fhir.kernel.errors import unsupported
from healix_fhir.model.definitions import search_parameters
from healix_fhir.search import tokens
from healix_fhir.search.amounts import parameter_key
from healix_fhir.search.asked import Asked
from healix_fhir.search.composites import Shape, shape
from healix_fhir.search.criteria import token_key, token_parts
from healix_fhir.search.criteria_amount import quantity
from healix_fhir.search.nodes import And, Node, Or, Pair, Quantity, Reference, Token
from healix_fhir.search.precision import read_range
from healix_fhir.search.values import split

Read: TypeAlias = Callable[[Asked, str], Node]


def composite(asked: Asked, value: str, read: Read) -> Node:
    """The condition of one composite value; `read` gives the condition of a component."""
    if asked.modifier:
        raise asked.bad_modifier()
    components = asked.parameter.components
    parts = split(value, "$")
    if len(parts) != len(components) or not all(parts):
        raise asked.bad_value(value, "of the form " + "$".join(component.code for component in components))
    match shape(asked.type_name, asked.parameter):
        case Shape.CONDITIONS:
            return And(tuple(read(_component(asked, n), part) for n, part in enumerate(parts)))
        case Shape.HASHES:
            keys = [_keys(asked, n, part, read) for n, part in enumerate(parts)]
            return _either([Token(tokens.together(asked.parameter.id, found)) for found in product(*keys)])
        case Shape.AMOUNTS:
            return _amount(asked, parts[0], parts[1], read)
        case Shape.PAIRS:
            return And((read(_component(asked, 0), parts[0]), _pair(asked, parts[1], parts[2])))
        case None:
            raise unsupported(f"{asked.name}: composites of this kind are not supported")


def _component(asked: Asked, number: int) -> Asked:
    """The component as a parameter of its own."""
    code = asked.parameter.components[number].code
    return Asked(asked.type_name, search_parameters(asked.type_name)[code], "", asked.bases, asked.name)


def _keys(asked: Asked, number: int, part: str, read: Read) -> list[int]:
    """The keys of a token or reference under the number of the composite."""
    param = asked.parameter.id
    if asked.parameter.components[number].type == "token":
        return [token_key(param, token_parts(asked, part))]
    found = read(_component(asked, number), part)
    nodes = found.nodes if isinstance(found, Or) else (found,)
    return [tokens.pointing(param, n.target_type, n.target) for n in nodes if isinstance(n, Reference)]


def _amount(asked: Asked, code_part: str, quantity_part: str, read: Read) -> Node:
    """The amount under its code; where the code alone is a start of a search, it is a condition beside it."""
    parts = token_parts(asked, code_part)
    if not parts[-1]:
        raise asked.bad_value(code_part, "a code")
    amount = quantity(asked, quantity_part)
    assert isinstance(amount, Quantity)
    found = replace(
        amount,
        h=tokens.any_system(asked.parameter.id, parts[-1]),
        coded=True,
        system=tokens.of_system(*parts) if len(parts) == 2 and parts[0] else None,
        any_system=len(parts) == 1,
    )
    code = read(_component(asked, 0), code_part)
    return And((code, found)) if isinstance(code, Token) and code.hot else found


def _pair(asked: Asked, first: str, second: str) -> Node:
    found = [read_range(part) for part in (first, second)]
    for part, one in zip((first, second), found, strict=True):
        if one is None:
            raise asked.bad_value(part, "a number with an optional prefix")
    ends = tuple((prefix, *range_) for prefix, range_ in (one for one in found if one is not None))
    return Pair(parameter_key(asked.parameter.id), ends[0], ends[1])


def _either(nodes: Sequence[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))
