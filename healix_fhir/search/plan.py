"""Choosing where a search starts, and in which arms it reads.

The rule is fixed, not estimated. What is bound to ids or to one patient is listed and sorted. Otherwise a search reads
in the order of its results, from a source that has it: a hot token, a reference, the type itself, or the values of the
sort key. Beside that it lists the candidates of its most selective condition, if one can be listed (search/drive), and
takes the list instead where it turns out to be short.

It reads from a source in arms, each of which an index answers in the order of the results, so that each can stop at the
limit: an alternative of the starting parameter times a way in which the rows are bound to a patient. What is left is a
filter of every arm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from healix_fhir.kernel.database import Fragment
from healix_fhir.search.alias import Phase
from healix_fhir.search.drive import Lists, best, listed, rank
from healix_fhir.search.fragments import EVERYTHING, all_of, any_of, of_types, union_all
from healix_fhir.search.granular import implied
from healix_fhir.search.lower import of_patient
from healix_fhir.search.nodes import (
    And,
    Coded,
    Date,
    EachRow,
    Id,
    InPatient,
    Linked,
    LinkedTo,
    Node,
    Not,
    Or,
    Reference,
    Token,
)
from healix_fhir.search.order import By, Order
from healix_fhir.search.source import (
    Source,
    alternatives,
    listed_source,
    reference_sources,
    resource_source,
    token_sources,
    walk_source,
    without_source,
)
from healix_fhir.search.visible import Group, sees_one_patient, visible_of
from smart_auth.access import AccessContext

NEARLY = 3
"""A condition is listed beside the start of the arms unless it is thought to be less selective by more than this."""


def ends_soon(where: Sequence[Node]) -> bool:
    """Whether a search that reads in order has a page soon, or else has the list of all candidates.

    Not where something must hold that cannot be listed, or two tokens: they may hold of hardly any row together. Which
    way to read is then better left to PostgreSQL, which knows how frequent they are.
    """
    asked = [node for node in where if not (isinstance(node, Date) and node.main)]
    return sum(bool(token_sources(node)) for node in asked) < 2 and all(rank(node) is not None for node in asked)


@dataclass(frozen=True, slots=True)
class Arm:
    """One part of the rows: a source bound by `pin`, of which `filters` hold.

    `phase`: with a value of the first sort key (0), without (1), or to be seen row by row. `dated`: the same of the
    main date. `each`: filters are looked up row by row. `whole`: read only if the lists are whole, or only if not;
    `gate` is another condition, on no row, for it to be read.
    """

    source: Source
    pin: Fragment
    filters: tuple[Node, ...]
    phase: int | None = None
    dated: Phase = Phase.ANY
    each: bool = False
    whole: bool | None = None
    gate: Fragment = EVERYTHING


@dataclass(frozen=True, slots=True)
class Plan:
    """`arms` give the page, `counted` all matches; `lists` are what they refer to."""

    lists: Lists
    arms: tuple[Arm, ...] = ()
    counted: tuple[Arm, ...] = ()


def plan(found: Sequence[Group], where: Sequence[Node], order: Order, access: AccessContext, *, dated: bool) -> Plan:
    """The plan of a search for the resources of the types of `found` of which all of `where` holds.

    `dated` tells that each type has a main clinical date.
    """
    lists = Lists(access)
    if not found:
        return Plan(lists)
    visible = visible_of(found)
    where = tuple(_with_codes(node, lists) for node in where)
    if any(group.bounded for group in found):
        where = (*where, *(implied(found[0].one, access) if _is_one_type(found) else ()), visible)
    if (bounded := _bounded(found, where, order, access, lists)) is not None:
        name, rest = bounded
        arm = _listed_arm(name, found, (visible, *rest))
        return Plan(lists, (arm,), (arm,))
    by_date = order.first.by is By.DATE
    natural = _by_date(found, where, access, lists, dated=dated) if by_date else _walk(found, where, order)
    counted = _counted(found, where, access)
    one_patient = all(sees_one_patient(group.one, access) for group in found)
    starts = _start(where, one_patient=False) if by_date and _is_one_type(found) else None
    driver = None if one_patient else _driver(where, starts)
    if driver is None:
        each = (
            one_patient or _patient(where) is not None
        )  # what else is asked of one patient's rows is asked row by row
        return Plan(lists, *(tuple(replace(arm, each=each) for arm in arms) for arms in (natural, counted)))
    name = listed(driver, _types(found), lists)
    rest = tuple(node for node in where if node is not driver)
    short = replace(_listed_arm(name, found, (visible, *rest)), whole=True)
    return Plan(
        lists,
        (short, *(replace(_to_ends(arm, driver, lists), each=True, whole=False) for arm in natural)),
        (short, *(replace(arm, whole=False) for arm in counted)),
    )


def _is_one_type(found: Sequence[Group]) -> bool:
    return len(found) == 1 and len(found[0].types) == 1


def _to_ends(arm: Arm, driver: Node, lists: Lists) -> Arm:
    """The arm, which looks for the ends of a chain that is listed in the list of them."""
    if not isinstance(driver, Linked) or driver.url is not None:
        return arm
    lists.told.add(lists.ends[driver])
    ended = LinkedTo(driver, lists.ends[driver])
    return replace(arm, filters=tuple(ended if node is driver else node for node in arm.filters))


def _types(found: Sequence[Group]) -> tuple[int, ...]:
    return tuple(type_id for group in found for type_id in group.types)


def _listed_arm(name: str, found: Sequence[Group], filters: tuple[Node, ...]) -> Arm:
    return Arm(listed_source(name, _types(found)), EVERYTHING, filters, each=True)


def _bounded(
    found: Sequence[Group], where: Sequence[Node], order: Order, access: AccessContext, lists: Lists
) -> tuple[str, Sequence[Node]] | None:
    """The list of a search that ids or one patient bound, and what else must hold; None for any other search."""
    types = _types(found)
    ids = next((node for node in where if _is_ids(node)), None)
    if ids is not None:
        return listed(ids, types, lists), [node for node in where if node is not ids]
    if order.first.by is By.DATE and _is_one_type(found):
        return None  # the indexes have this order within a patient
    patient = _patient(where)
    if patient is not None:
        pins: Sequence[Fragment] = of_patient(_patient_id(patient), "t")
    elif all(sees_one_patient(group.one, access) for group in found):
        pins = list(dict.fromkeys(pin for group in found for pin in group.pins))
    else:
        return None
    start = next((node for node in where if token_sources(node)), None)
    sources = token_sources(start) if start is not None else (_any_of(types),)
    rows = [
        Fragment(
            f"SELECT t.pk FROM {source.tables} WHERE {source.condition.sql} AND {pin.sql}",
            (*source.condition.params, *pin.params),
        )
        for source in sources
        for pin in pins
    ]
    return lists.add_bounded(union_all(rows)), [node for node in where if node is not start]


def _is_ids(node: Node) -> bool:
    ids = alternatives(node)
    return bool(ids) and all(isinstance(one, Id) for one in ids)


def _any_of(types: tuple[int, ...]) -> Source:
    return Source("resource t", all_of([of_types("t", types), Fragment("NOT t.deleted")]), whole=True)


def _walk(found: Sequence[Group], where: Sequence[Node], order: Order) -> tuple[Arm, ...]:
    """The arms that read in the order of a sort key other than the main date."""
    return tuple(
        Arm(source, pin, tuple(where), phase)
        for group in found
        for phase, source in _walks(group, order)
        for pin in group.pins
    )


def _walks(group: Group, order: Order) -> Iterator[tuple[int | None, Source]]:
    first = order.first
    in_order = len(group.types) == 1 and first.table is not None and first.table.in_order
    if in_order and first.table is not None:
        (type_id,) = group.types
        yield 0, walk_source(type_id, first.table, descending=first.descending)
        yield 1, without_source(type_id, first.table)
    else:
        yield None if first.nullable else 0, resource_source(group.types)


def _with_codes(node: Node, lists: Lists) -> Node:
    """The condition, with lists of the codes that value sets in it mean."""
    match node:
        case Coded():
            return replace(node, codes=lists.codes(node))
        case And(nodes):
            return And(tuple(_with_codes(one, lists) for one in nodes))
        case Or(nodes):
            return Or(tuple(_with_codes(one, lists) for one in nodes))
        case Not(inner):
            return Not(_with_codes(inner, lists))
        case _:
            return node


def _by_date(
    found: Sequence[Group], where: Sequence[Node], access: AccessContext, lists: Lists, *, dated: bool
) -> tuple[Arm, ...]:
    """The arms that read in the order of the main date, from the source that bounds the search best."""
    phases = ((0, Phase.DATED), (1, Phase.UNDATED)) if dated else ((1, Phase.UNDATED),)
    if _is_one_type(found):
        arms = _unless_dense(_started(found, where, access), found, where, lists)
    else:
        arms = [Arm(resource_source(group.types), pin, tuple(where)) for group in found for pin in group.pins]
    return tuple(replace(arm, phase=phase, dated=dated_) for phase, dated_ in phases for arm in arms)


def _unless_dense(arms: list[Arm], found: Sequence[Group], where: Sequence[Node], lists: Lists) -> list[Arm]:
    """Arms that read code by code, and beside them those that read on where codes lie densely."""
    dense = [lists.dense(arm.source.each) for arm in arms if arm.source.each]
    if not dense:
        return arms
    sparse = any_of(dense)
    others = _arms((resource_source(found[0].types),), found[0].pins, tuple(where))
    not_dense = Fragment(f"NOT {sparse.sql}", sparse.params)
    return [*(replace(arm, gate=not_dense) for arm in arms), *(replace(arm, gate=sparse) for arm in others)]


def _counted(found: Sequence[Group], where: Sequence[Node], access: AccessContext) -> tuple[Arm, ...]:
    """The arms of all matches; those with and without a main date by themselves where a filter asks for it."""
    by_date = any(isinstance(one, Date) and one.main for node in where for one in alternatives(node))
    phases = (Phase.DATED, Phase.UNDATED) if by_date else (Phase.ANY,)
    found = [replace(group, pins=group.counted) for group in found]
    return tuple(replace(arm, dated=phase) for phase in phases for arm in _started(found, where, access))


def _started(found: Sequence[Group], where: Sequence[Node], access: AccessContext) -> list[Arm]:
    """The rows of all matches, from the source that bounds the search best."""
    if not _is_one_type(found):
        return [Arm(_any_of(group.types), pin, tuple(where)) for group in found for pin in group.pins]
    (group,) = found
    start = _start(where, one_patient=sees_one_patient(group.one, access))
    if start is None:
        compartment = next((node for node in where if isinstance(node, InPatient)), None)
        if compartment is None:
            return _arms((resource_source(group.types),), group.pins, tuple(where))
        rest = tuple(node for node in where if node is not compartment)
        return _arms((resource_source(group.types),), of_patient(compartment.patient, "t"), (group.one, *rest))
    rest = tuple(node for node in where if node is not start)
    sources = token_sources(start)
    if not sources:
        sources = reference_sources(start)
        return _arms(sources, (EVERYTHING,), (group.one, *rest))
    patient = _patient(rest)
    if patient is None:
        return _arms(sources, group.pins, rest)
    confirmed = (EachRow(patient),) if isinstance(patient, Reference) else ()
    rest = (group.one, *confirmed, *(node for node in rest if node is not patient))
    return _arms(sources, of_patient(_patient_id(patient), "t"), rest)


def _arms(sources: Sequence[Source], pins: Sequence[Fragment], filters: tuple[Node, ...]) -> list[Arm]:
    return [Arm(source, pin, filters) for source in sources for pin in pins]


def _start(where: Sequence[Node], *, one_patient: bool) -> Node | None:
    """The node that gives the rows; None to read the type itself, which a single patient's compartment bounds best."""
    tokens = [node for node in where if token_sources(node)]
    if one_patient or _patient(where) is not None:  # whose few rows are read sooner than those of many codes
        tokens = [node for node in tokens if not any(isinstance(one, Coded) for one in alternatives(node))]
    if tokens:
        return min(tokens, key=_frequency)
    references = [node for node in where if reference_sources(node)]
    patient = next((node for node in references if isinstance(node, Reference) and node.patient), None)
    if not references or (one_patient and patient is None) or any(isinstance(node, InPatient) for node in where):
        return None
    return patient or references[0]


def _frequency(node: Node) -> int:
    return max(token.frequency for token in alternatives(node) if isinstance(token, Token | Coded))


def _patient(nodes: Sequence[Node]) -> Reference | InPatient | None:
    """The condition that binds the resources to one patient's compartment, if there is one."""
    compartment = next((node for node in nodes if isinstance(node, InPatient)), None)
    return compartment or next((node for node in nodes if isinstance(node, Reference) and node.patient), None)


def _patient_id(node: Reference | InPatient) -> str:
    """The patient of such a condition.

    A compartment holds all that refers to the patient by one parameter, and what another parameter put into it.
    """
    return node.patient if isinstance(node, InPatient) else node.target


def _driver(where: Sequence[Node], start: Node | None) -> Node | None:
    """The condition to list candidates of; None where the natural arms, which start from `start`, are bound as well."""
    if _patient(where) is not None:
        return None
    if start is None:
        return best(where)
    driver = best([node for node in where if node is not start and not token_sources(node)])
    if driver is None:
        return None
    return driver if (rank(driver) or 0) <= (rank(start) or 0) + NEARLY else None
