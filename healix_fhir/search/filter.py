"""`_filter` as a condition: its tests are read as the search parameters that they name.

`ne` is what is not `eq`, also where there is no value; of dates, numbers and quantities it is a value that differs.

Spec: FHIR R4, hl7.org/fhir/R4/search_filter.html
"""

from __future__ import annotations

from dataclasses import replace

from healix_fhir.kernel.errors import HealixError, invalid, unsupported
from healix_fhir.model.definitions import search_parameters
from healix_fhir.search.chain import Chains
from healix_fhir.search.criteria_text import FULL_TEXT
from healix_fhir.search.filter_grammar import Both, Comparison, Either, Filter, Negated, Operator, Step, parse_filter
from healix_fhir.search.nodes import And, Date, Node, Not, Or, Prefix, String, StringMatch
from healix_fhir.search.unknown import UnknownParameterError, unknown

TERMINOLOGY = {Operator.SS: "below", Operator.SB: "above", Operator.IN: "in"}
"""Operators on codes and the modifiers that ask the same: what is below the value, above it, or in the value set."""
TEXTS = {Operator.CO: ":contains", Operator.SW: "", Operator.EQ: ":exact", Operator.EW: ":exact"}
MATCHES = {Operator.EQ: StringMatch.WHOLE, Operator.EW: StringMatch.SUFFIX}
ORDERED = ("date", "number", "quantity")
COMPARED = frozenset(Operator(prefix.value) for prefix in Prefix)


def read_filter(type_name: str, text: str, chains: Chains) -> Node:
    """The condition of `_filter=text` on a resource of `type_name`; raises as `Chains.read` does."""
    return _node(type_name, parse_filter(text), chains, 0)


def _node(type_name: str, found: Filter, chains: Chains, depth: int) -> Node:
    match found:
        case Both(left, right):
            return And((_node(type_name, left, chains, depth), _node(type_name, right, chains, depth)))
        case Either(left, right):
            return Or((_node(type_name, left, chains, depth), _node(type_name, right, chains, depth)))
        case Negated(inner):
            return Not(_node(type_name, inner, chains, depth))
        case Comparison(path, operator, value):
            return _at(type_name, path, operator, value, chains, depth)


def _at(type_name: str, path: tuple[Step, ...], operator: Operator, value: str, chains: Chains, depth: int) -> Node:
    step, *rest = path
    if not rest:
        if step.filter is not None:
            raise invalid(f"_filter: {step.name}[...] leads to no parameter", code="value")
        return _test(type_name, step.name, operator, value, chains)

    def inner(target: str) -> Node:
        node = _at(target, tuple(rest), operator, value, chains, depth + 1)
        return node if step.filter is None else And((_node(target, step.filter, chains, depth + 1), node))

    return chains.link(type_name, step.name, inner, rest[0].name, depth + 1)


def _test(type_name: str, name: str, operator: Operator, value: str, chains: Chains) -> Node:
    """One parameter, compared."""
    if name in FULL_TEXT:
        return _full_text(type_name, name, operator, value, chains)
    parameter = search_parameters(type_name).get(name)
    if parameter is None:
        raise UnknownParameterError(f"_filter: {unknown(type_name, name)}")

    def ask(name: str, value: str) -> Node:
        return chains.read(type_name, name, value)

    escaped = value.replace(",", "\\,")
    if operator in TERMINOLOGY and parameter.type == "token":
        return ask(f"{name}:{TERMINOLOGY[operator]}", escaped)
    if operator is Operator.PR:
        if value not in ("true", "false"):
            raise invalid(f"_filter: {name} pr takes true or false, not '{value[:50]}'", code="value")
        return ask(f"{name}:missing", "false" if value == "true" else "true")
    if operator is Operator.NE and parameter.type not in ORDERED:
        return Not(_test(type_name, name, Operator.EQ, value, chains))
    if parameter.type == "string" and operator in TEXTS:
        return _matching(ask(f"{name}{TEXTS[operator]}", escaped), MATCHES.get(operator))
    if parameter.type in ORDERED and operator in COMPARED:
        return ask(name, f"{operator}{escaped}")
    if parameter.type == "date" and operator is Operator.PO:
        return _overlapping(ask(name, escaped))
    if operator is Operator.EQ or (operator is Operator.RE and parameter.type == "reference"):
        return ask(name, escaped)
    raise _unfit(name, operator, parameter.type)


def _full_text(type_name: str, name: str, operator: Operator, value: str, chains: Chains) -> Node:
    """`_text co "what is looked for"`, or `pr`."""
    if operator is Operator.CO:
        return chains.read(type_name, name, value)
    if operator is Operator.PR and value in ("true", "false"):
        return chains.read(type_name, f"{name}:missing", "false" if value == "true" else "true")
    raise unsupported(f"_filter: {name} is compared by co and pr only, not by {operator}")


def _matching(node: Node, match: StringMatch | None) -> Node:
    """A condition on strings, compared in another way."""
    match node:
        case Or(nodes):
            return Or(tuple(_matching(inner, match) for inner in nodes))
        case String() if match is not None:
            return replace(node, match=match)
        case _:
            return node


def _overlapping(node: Node) -> Node:
    """A date that is met by any overlap."""
    match node:
        case Or(nodes):
            return Or(tuple(_overlapping(inner) for inner in nodes))
        case Date():
            return replace(node, prefix=Prefix.AP)
        case _:
            return node


def _unfit(name: str, operator: Operator, kind: str) -> HealixError:
    return unsupported(f"_filter: {name[:100]} is a {kind} parameter, which the operator {operator} does not compare")
