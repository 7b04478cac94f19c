"""Search parameters to a `Query`: what must hold of a match, in which order, how many, and what comes with it.

Nothing is silently left out. An unknown parameter is an error under `Prefer: handling=strict`, and otherwise reported
with the result; an unknown modifier, a value that cannot be read, and what R4 defines but this server lacks are always
errors.

Spec: FHIR R4, hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from healix_fhir.kernel.errors import Issue, invalid, not_found, unsupported
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.search.asked import Asked
from healix_fhir.search.controls import CONTROLS, EDGE, REFUSED, Controls
from healix_fhir.search.criteria import CRITERIA, SPECIAL
from healix_fhir.search.include import Include
from healix_fhir.search.index_facts import main_date
from healix_fhir.search.nodes import Missing, Node, Not, Or, Stored
from healix_fhir.search.order import Order
from healix_fhir.search.params.indexed import is_indexed
from healix_fhir.search.values import split

PARAMETERS = 100
ALTERNATIVES = 500
STORED = {"string": Stored.STRING, "date": Stored.DATE, "reference": Stored.REFERENCE}


@dataclass(frozen=True, slots=True)
class Query:
    """A search for resources of `type_name`: all of `where` holds. `params` are the parameters that took effect.

    `count` 0 asks for the total only. `cursor` is the sealed place to go on from.
    """

    type_name: str
    where: tuple[Node, ...]
    order: Order
    count: int
    total: bool
    includes: tuple[Include, ...]
    cursor: str | None
    params: tuple[tuple[str, str], ...]
    ignored: tuple[Issue, ...]


def parse(type_name: str, params: Sequence[tuple[str, str]], *, strict: bool = False, base: str = "") -> Query:
    """The query of `params`; `base` is this server's FHIR base URL, by which it knows its own absolute references.

    Raises Invalid or Unsupported with a message that names the parameter; NotFound for an unknown type.
    """
    if type_name not in TYPE_ID:
        raise not_found(f"there is no resource type {type_name[:100]} in FHIR R4")
    if len(params) > PARAMETERS:
        raise invalid(f"a search takes at most {PARAMETERS} parameters", code="too-costly")
    controls, where, kept, ignored = Controls(type_name), [], [], []
    for name, value in params:
        if name in EDGE:
            continue
        _check_text(name, value)
        if (problem := _problem(type_name, name, value)) is not None:
            if strict:
                raise invalid(problem, code="not-supported")
            ignored.append(Issue("not-supported", f"{problem}; it was ignored", severity="warning"))
            continue
        if name in CONTROLS:
            CONTROLS[name](controls, value)
        else:
            where.append(_criterion(type_name, name, value, (base,) if base else ()))
        if name != "_cursor":
            kept.append((name, value))
    return Query(
        type_name,
        tuple(where),
        controls.order,
        controls.count,
        controls.total,
        tuple(controls.includes),
        controls.cursor,
        tuple(kept),
        tuple(ignored),
    )


def _check_text(name: str, value: str) -> None:
    for text in (name, value):
        if "\x00" in text or not _encodes(text):
            raise invalid("a search parameter holds a character that no FHIR string may hold", code="value")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _problem(type_name: str, name: str, value: str) -> str | None:
    """Why a parameter cannot take effect; raises Unsupported where R4 knows it and this server does not."""
    code = name.partition(":")[0]
    if name in CONTROLS:
        return None if value else f"the parameter {name} has no value"
    if code in CONTROLS:
        raise unsupported(f"{name[:100]}: modifiers of {code} are not supported")
    if code in REFUSED or "." in name:
        raise unsupported(f"{name[:100]}: {REFUSED.get(code, 'chained parameters are not supported')}")
    parameter = search_parameters(type_name).get(code)
    if parameter is None:
        return f"{type_name} has no search parameter '{name[:100]}'"
    if not is_indexed(parameter):
        raise unsupported(f"{name[:100]}: this {parameter.type} parameter is not supported")
    return None if value else f"the parameter {name[:100]} has no value"


def _criterion(type_name: str, name: str, value: str, bases: tuple[str, ...]) -> Node:
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
