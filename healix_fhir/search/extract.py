"""The index rows of a resource, from all its search parameters in one pass.

On first use of a type, its parameters' expressions are compiled and sorted by the property of the resource in which
they begin, so that a resource pays only for the properties it has. Bad values never raise: resources were validated
before, and what has no meaning for an index has no row.

Spec: FHIR R4, hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

from healix_fhir.kernel.in_step import Stages, whole
from healix_fhir.model.custom import derived, is_custom
from healix_fhir.model.definitions import TYPE_ID, SearchParameter, extracted_parameters
from healix_fhir.model.fhirpath.branch import Branch, Stage, link
from healix_fhir.model.fhirpath.branch import Step as PathStep
from healix_fhir.model.fhirpath.path import compile_branches
from healix_fhir.search import compartments, presence
from healix_fhir.search.acting import acting
from healix_fhir.search.amounts import parameter_key
from healix_fhir.search.consent_rules import consent_rules
from healix_fhir.search.content import full_text
from healix_fhir.search.index_facts import url_parameter
from healix_fhir.search.inside import contained_rows
from healix_fhir.search.params import (
    composite,
    date,
    phonetic,
    position,
    quantity,
    reference,
    remembered,
    string,
    token,
    uri,
)
from healix_fhir.search.params.collector import Collector, Emit
from healix_fhir.search.params.indexed import COLUMNS, is_indexed
from healix_fhir.search.security_labels import labels
from healix_fhir.search.unions import is_union
from healix_fhir.store.index import ContainedRows, IndexRows

T = TypeVar("T")
NO_META: dict[str, Any] = {}


class Step(NamedTuple):
    """From the items of a property to the values of a parameter, what adds their rows, and the parameter's bit.

    `stage` is None where the items are the values. The bit marks in the index that there is a value; 0 marks nothing.
    """

    stage: Stage | None
    bit: int
    emit: Emit


class Plan(NamedTuple):
    """What to do with each property of a resource, and with the resource as a whole."""

    by_property: dict[str, tuple[Step, ...]]
    whole: tuple[Step, ...]


def extract(resource: dict[str, Any], type_name: str, bases: tuple[str, ...]) -> IndexRows:
    """The index rows of a valid resource, on a server whose FHIR base URLs are `bases`."""
    return whole(extracting(resource, type_name, bases))


def extracting(resource: dict[str, Any], type_name: str, bases: tuple[str, ...]) -> Stages[IndexRows]:
    """Make the index rows in stages: a property each, the resource as a whole, its words, and the rows of all."""
    by_property, of_whole = plan(type_name)
    rows = Collector(bases)
    for name, value in resource.items():
        steps = by_property.get(name)
        if steps is not None:
            _take(steps, value if type(value) is list else [value], rows)
            yield
    _take(of_whole, [resource], rows)
    yield
    words = full_text(resource, type_name)
    yield
    d, d_hi = rows.main or (None, None)
    return IndexRows(
        patients=compartments.patients(resource, type_name, rows.patients),
        d=d,
        d_hi=d_hi,
        present=presence.mark(rows.present),
        toks=_once(rows.toks),
        hot=_once(rows.hot),
        strings=_once(rows.strings),
        dates=_once(rows.dates),
        references=_once(rows.references),
        amounts=_once(rows.amounts),
        positions=_once(rows.positions),
        texts=_once(rows.texts),
        coded=_once(rows.coded),
        words=words,
        contained=_contained(resource, bases) if "contained" in resource else (),
        labels=labels(meta["security"]) if "security" in (meta := resource.get("meta", NO_META)) else (),
        rules=consent_rules(resource, bases) if type_name == "Consent" else (),
        acting=acting(resource) if type_name == "RelatedPerson" else None,
    )


def _contained(resource: dict[str, Any], bases: tuple[str, ...]) -> tuple[ContainedRows, ...]:
    """The rows of what a resource contains, which itself contains nothing."""
    return tuple(
        contained_rows(item, extract({k: v for k, v in item.items() if k != "contained"}, item["resourceType"], bases))
        for item in resource["contained"]
        if type(item.get("id")) is str and item.get("resourceType") in TYPE_ID
    )


def _once(rows: list[T]) -> tuple[T, ...]:
    if not rows:
        return ()
    return tuple(dict.fromkeys(rows)) if len(rows) > 1 else (rows[0],)


def _take(steps: tuple[Step, ...], items: list[Any], rows: Collector) -> None:
    for stage, bit, emit in steps:
        found = items if stage is None else stage(items)
        if found:
            rows.present |= bit
            emit(found, rows)


@derived
def plan(type_name: str) -> Plan:
    """The steps of every indexed parameter of `type_name`, of its main date and of its compartments."""
    by_property: dict[str, list[Step]] = defaultdict(list)
    codes: dict[tuple[PathStep, ...], list[Step]] = defaultdict(list)
    of_whole: list[Step] = []
    for branch, bit, emit in _emitters(type_name):
        first, rest = (branch.steps[0], branch.steps[1:]) if branch.steps else (None, ())
        if isinstance(first, str) and branch.type in remembered.TYPES:
            codes[branch.steps].append(Step(None, bit, emit))
        elif isinstance(first, str):
            by_property[first].append(Step(link(rest) if rest else None, bit, emit))
        else:
            of_whole.append(Step(link(branch.steps) if branch.steps else None, bit, emit))
    for path, steps in codes.items():
        by_property[str(path[0])].append(Step(link(path[1:]) if path[1:] else None, 0, _codes(tuple(steps))))
    if (url := url_parameter(type_name)) is not None:
        of_whole.append(Step(None, 0, reference.own_url(url)))
    return Plan({name: tuple(steps) for name, steps in by_property.items()}, tuple(of_whole))


def _codes(steps: tuple[Step, ...]) -> Emit:
    """What adds the rows of all parameters that have the same codes as their values."""
    known = remembered.remembered(lambda items, rows: _take(steps, items, rows))
    return lambda items, rows: rows.codes(known(items))


def _emitters(type_name: str) -> Iterator[tuple[Branch, int, Emit]]:
    for parameter in extracted_parameters(type_name).values():
        if is_indexed(parameter) and parameter.code not in COLUMNS and not is_union(type_name, parameter):
            bit = 0 if parameter.type == "composite" else presence.bit(parameter)
            for branch in compile_branches(parameter.expression, type_name):
                emit = emitter(type_name, parameter, branch)
                if emit is not None:
                    yield branch, bit, emit
    for expression, rank in compartments.links(type_name):
        for branch in compile_branches(expression, type_name):
            if branch.type == "Reference":
                yield branch, 0, compartments.emitter(rank)


def emitter(type_name: str, parameter: SearchParameter, branch: Branch) -> Emit | None:
    """What adds the rows of the values of a branch; None where the parameter cannot take values of their type."""
    match parameter.type:
        case "token":
            return token.emitter(parameter.id, branch.type, branch.binding, hot=token.is_hot(parameter.code))
        case "reference":
            return reference.emitter(parameter.id, branch.type)
        case "special":
            return position.emitter(parameter.id, branch.structure)
        case "string" if parameter.code == "phonetic" and not is_custom(parameter.id):
            return phonetic.emitter(parameter.id, branch.type)
        case "string":
            return string.emitter(parameter.id, branch.type)
        case "number" | "quantity":
            return quantity.emitter(parameter_key(parameter.id), branch.type)
        case "composite":
            return composite.emitter(type_name, parameter, branch)
        case "uri":
            return uri.emitter(parameter.id, branch.type)
        case _ if date.is_main(type_name, parameter.code):
            return date.main_emitter(branch.type)
        case _:
            return date.emitter(parameter.id, branch.type)
