"""$graphql: queries over the graph of resources, of the whole server, of a type or of one resource.

The answer is no resource: `data`, or `errors` with an OperationOutcome each.

Spec: FHIR R4, hl7.org/fhir/R4/graphql.html, hl7.org/fhir/R4/resource-operation-graphql.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from graphql import language

from healix_fhir.interaction.search import Finder
from healix_fhir.interaction.service import Interactions
from healix_fhir.interaction.status import STATUS, outcome
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.json import encode
from healix_fhir.operation.graphql import values
from healix_fhir.operation.graphql.document import Document, document, wrong
from healix_fhir.operation.graphql.execute import Execution
from healix_fhir.operation.graphql.introspection import Projection
from healix_fhir.operation.graphql.request import asked
from healix_fhir.operation.graphql.selection import Compiler
from healix_fhir.operation.invocation import Invocation, Outcome
from smart_auth.access import AccessContext

JSON = "application/json; charset=utf-8"
SCHEMA = ("__schema", "__type")
MOST_ABOUT = 5


async def graphql(interactions: Interactions, access: AccessContext, invocation: Invocation) -> Outcome:
    """The answer, in GraphQL's form also where the query is refused."""
    try:
        found = document(asked(invocation))
        finder = await interactions.finder()
        data = await interactions.looked_up(lambda: _answer(access, finder, found, invocation), aside=True)
    except HealixError as error:
        return Outcome(STATUS[error.category].value, refusal(error), tuple(error.waiting.items()), JSON, error)
    return Outcome(200, encode({"data": data}), content_type=JSON)


def refusal(error: HealixError) -> bytes:
    """A refusal as GraphQL has it. Spec: FHIR R4, hl7.org/fhir/R4/graphql.html#errors"""
    shown = []
    for issue in error.issues:
        one: dict[str, Any] = {"message": issue.message}
        if issue.place is not None:
            one["locations"] = [{"line": issue.place[0], "column": issue.place[1]}]
        shown.append(one | {"extensions": {"resource": msgspec.Raw(outcome([issue]))}})
    return encode({"data": None, "errors": shown})


def _answer(access: AccessContext, finder: Finder, found: Document, invocation: Invocation) -> Work[Mapping[str, Any]]:
    type_, id_ = invocation.type, invocation.id
    yield record([AuditRow(access.origin, "E", "$graphql", entity=_entity(type_, id_))])
    about, rest = _parted(found)
    told = _told(found, about, type_ if id_ is None else None)
    if rest is None:
        return told
    compiler = Compiler(rest, type_ if id_ is None else None)
    execution = Execution(access, finder, compiler)
    if type_ is not None and id_ is not None:
        return told | (yield from execution.of_instance(rest, type_, id_))
    return told | (yield from execution.of_system(rest))


def _entity(type_: str | None, id_: str | None) -> str | None:
    return f"{type_}/{id_}" if id_ is not None else type_


def _parted(found: Document) -> tuple[Sequence[language.FieldNode], Document | None]:
    """What asks for the schema, and the document that asks for resources."""
    selections = found.operation.selection_set.selections
    about = [one for one in selections if isinstance(one, language.FieldNode) and one.name.value in SCHEMA]
    if not about:
        return (), found
    if len(about) > MOST_ABOUT:
        raise wrong(about[-1], f"a query asks for the schema at most {MOST_ABOUT} times")
    rest = tuple(one for one in selections if one not in about)
    if not rest:
        return about, None
    operation = language.OperationDefinitionNode(
        operation=found.operation.operation, selection_set=language.SelectionSetNode(selections=rest)
    )
    return about, Document(operation, found.fragments, found.variables)


def _told(found: Document, about: Sequence[language.FieldNode], level: str | None) -> dict[str, Any]:
    projection = Projection(found.fragments, level)
    told: dict[str, Any] = {}
    for node in about:
        name = None
        if node.name.value == "__type":
            name = values.text(values.given(node, found.variables), "name")
            if name is None:
                raise wrong(node, "'__type' takes a name")
        told[node.alias.value if node.alias else node.name.value] = projection.of(node, name)
    return told
