"""Search parameters to a `Query`: what must hold of a match, in which order, how many, and what comes with it.

Nothing is silently left out. An unknown parameter is an error under `Prefer: handling=strict`, and otherwise reported
with the result; an unknown modifier, a value that cannot be read, and what R4 defines but this server lacks are always
errors.

Spec: FHIR R4, hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from healix_fhir.kernel.errors import Issue, invalid, unsupported
from healix_fhir.model.definitions import TYPES
from healix_fhir.model.subset import Subset, check
from healix_fhir.search.chain import Chains
from healix_fhir.search.contained import Contained, Returned, containers, order_of_containers
from healix_fhir.search.controls import CONTROLS, EDGE, REFUSED, Controls
from healix_fhir.search.filter import read_filter
from healix_fhir.search.include import Include
from healix_fhir.search.nodes import And, Node
from healix_fhir.search.order import Order
from healix_fhir.search.result import Total
from healix_fhir.search.searched import Searched, for_each, one_type
from healix_fhir.search.unknown import UnknownParameterError
from healix_fhir.search.wholeness import warnings

PARAMETERS = 100
VALUES = 2000
EACH = 100_000
"""Values of all parameters together, and those of each type together: conditions are made and compared one by one."""


@dataclass(frozen=True, slots=True)
class Query:
    """A search for resources of `types`: all of `where` holds. `params` are the parameters that took effect.

    `path` is the address below the base. `count` 0 asks for the total only. `cursor` is the sealed place to go on from.
    `subset` is what is wanted of each resource, None for all of it. `explain` asks how, not for the result. `contained`
    tells whether matches are contained resources, or they too; `wanted` are the types looked for inside others.
    """

    path: str
    types: tuple[str, ...]
    where: tuple[Node, ...]
    order: Order
    count: int
    total: Total
    includes: tuple[Include, ...]
    cursor: str | None
    params: tuple[tuple[str, str], ...]
    ignored: tuple[Issue, ...]
    subset: Subset | None = None
    explain: bool = False
    contained: Contained = Contained.FALSE
    wanted: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[str, ...]:
        """The types of which the caller must be allowed to search one."""
        return self.wanted or self.types


def parse(
    searched: str | Searched, params: Sequence[tuple[str, str]], *, strict: bool = False, base: str = ""
) -> Query:
    """The query of `params` for a type, or for whatever is searched.

    `base` is this server's FHIR base URL, by which it knows its own absolute references. Raises Invalid or Unsupported
    with a message that names the parameter; NotFound for an unknown type.
    """
    if isinstance(searched, str):
        searched = one_type(searched)
    if len(params) > PARAMETERS:
        raise invalid(f"a search takes at most {PARAMETERS} parameters", code="too-costly")
    for name, value in params:
        _check_text(name, value)
        if name == "_type" and value:
            searched = searched.only(value)
    most = min(VALUES, EACH // max(len(searched.types), 1))
    if sum(value.count(",") + 1 for _, value in params) > most:
        raise invalid(f"such a search takes at most {most} values", code="too-costly")
    contains = ("_contained", "true") in params or ("_contained", "both") in params
    controls = Controls(searched.types, TYPES if contains else searched.types)
    chains = Chains((base,) if base else ())
    where, kept, ignored = list(searched.where()), [], []
    for name, value in params:
        if name in EDGE:
            continue
        try:
            if _controls(name, value):
                CONTROLS[name](controls, value)
            else:
                found = for_each(searched.types, partial(_condition, chains, name, value))
                where += found.nodes if isinstance(found, And) else (found,)
        except UnknownParameterError as problem:
            if strict:
                raise invalid(str(problem), code="not-supported") from problem
            ignored.append(Issue("not-supported", f"{problem}; it was ignored", severity="warning"))
            continue
        if name != "_cursor":
            kept.append((name, value))
    ignored += warnings(searched, kept)
    query = Query(
        searched.path,
        searched.types,
        tuple(where),
        controls.order,
        controls.count,
        controls.total,
        tuple(controls.includes),
        controls.cursor,
        tuple(kept),
        tuple(ignored),
        None if controls.subset.whole else controls.subset,
        controls.explain,
    )
    query = query if controls.contained is Contained.FALSE else _with_contained(query, searched, controls)
    check(controls.subset, query.types, includes=bool(controls.includes))
    return query


def _with_contained(query: Query, searched: Searched, controls: Controls) -> Query:
    """The same search, of contained resources: for themselves, or for the resources of any type that contain them."""
    if searched.owner:
        raise unsupported("_contained: a compartment is not searched for contained resources")
    if controls.returned is Returned.CONTAINED:
        if controls.includes:
            raise unsupported("_include and _revinclude do not start from contained resources")
        return replace(query, contained=controls.contained)
    return replace(
        query,
        types=TYPES,
        wanted=searched.types,
        where=containers(controls.contained, searched.types, query.where),
        order=order_of_containers(controls.sorted),
    )


def _condition(chains: Chains, name: str, value: str, type_name: str) -> Node:
    """What `name=value` asks of a resource of `type_name`."""
    if name == "_filter":
        return read_filter(type_name, value, chains)
    return chains.read(type_name, name, value)


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


def _controls(name: str, value: str) -> bool:
    """Whether a parameter is a control; raises Unsupported where R4 knows it and this server does not."""
    code = name.partition(":")[0]
    if name not in CONTROLS and code in CONTROLS:
        raise invalid(f"{name[:100]}: this is no modifier of {code}", code="value")
    if code in REFUSED:
        raise unsupported(f"{name[:100]}: {REFUSED[code]}")
    if not value:
        raise UnknownParameterError(f"the parameter {name[:100]} has no value")
    return name in CONTROLS
