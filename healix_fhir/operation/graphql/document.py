"""A GraphQL document that may be run: it is parsed, keeps the rules that need no schema, and is of bounded size.

Fragments multiply what a document asks for, so that it is measured with them put in, before anything is run. What needs
a schema (fields, arguments, types) is looked at as it is run, since only then it is known which type of resource a
reference leads to.

Spec: GraphQL October 2021, spec.graphql.org/October2021/#sec-Validation; FHIR R4, hl7.org/fhir/R4/graphql.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import graphql as core
from graphql import language
from graphql import validation as rules
from graphql.execution.values import get_variable_values
from graphql.validation.rules.known_argument_names import KnownArgumentNamesOnDirectivesRule
from graphql.validation.rules.provided_required_arguments import ProvidedRequiredArgumentsOnDirectivesRule

from healix_fhir.kernel.errors import Category, HealixError, Issue, invalid, too_large
from healix_fhir.model.elements import PRIMITIVES
from healix_fhir.operation.graphql.request import Asked

TOKENS = 8_000
DEFINITIONS = 200
DEPTH = 24
FIELDS = 3_000
TEXTS = ("composite", "number", "quantity", "reference", "special", "token")
"""Types of search parameters that clients declare variables of, beside those of elements."""

FIELD = core.DirectiveLocation.FIELD
DIRECTIVES = (
    core.GraphQLSkipDirective,
    core.GraphQLIncludeDirective,
    core.GraphQLDirective("first", [FIELD], description="Only the first of the values."),
    core.GraphQLDirective("flatten", [FIELD], description="Its fields stand in the place of the field."),
    core.GraphQLDirective("singleton", [FIELD], description="One value, though what it is in was flattened."),
    core.GraphQLDirective(
        "slice",
        [FIELD],
        {"path": core.GraphQLArgument(core.GraphQLNonNull(core.GraphQLString))},
        description="Each value is named by what the FHIRPath gives, or by its place ($index).",
    ),
)
"""Spec: FHIR R4, hl7.org/fhir/R4/graphql.html#flattening"""


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise core.GraphQLError("Float cannot represent non numeric value")
    return value


_FLOAT = core.GraphQLScalarType("decimal", parse_value=_number)
_FLOAT.name = "Float"  # graphql-core keeps the name to its own, which refuses the decimals of our JSON
_SCALARS = [core.GraphQLScalarType(name) for name in sorted({*PRIMITIVES, *TEXTS})]
_SCHEMA = core.GraphQLSchema(
    core.GraphQLObjectType("Query", {"id": core.GraphQLField(core.GraphQLID)}),
    directives=DIRECTIVES,
    types=[core.GraphQLInt, _FLOAT, core.GraphQLBoolean, *_SCALARS],
)
"""What variables may be, and the directives; nothing of resources."""
_RULES = (
    rules.ExecutableDefinitionsRule,
    rules.UniqueOperationNamesRule,
    rules.LoneAnonymousOperationRule,
    rules.UniqueFragmentNamesRule,
    rules.KnownFragmentNamesRule,
    rules.NoUnusedFragmentsRule,
    rules.NoFragmentCyclesRule,
    rules.UniqueVariableNamesRule,
    rules.NoUndefinedVariablesRule,
    rules.NoUnusedVariablesRule,
    rules.VariablesAreInputTypesRule,
    rules.KnownDirectivesRule,
    rules.UniqueDirectivesPerLocationRule,
    rules.UniqueArgumentNamesRule,
    KnownArgumentNamesOnDirectivesRule,
    ProvidedRequiredArgumentsOnDirectivesRule,
)


@dataclass(frozen=True, slots=True)
class Document:
    """The operation to run, the fragments that it spreads, and the values of its variables."""

    operation: language.OperationDefinitionNode
    fragments: Mapping[str, language.FragmentDefinitionNode]
    variables: Mapping[str, Any]


def document(asked: Asked) -> Document:
    """The document that was asked for. Raises Invalid with the places of what is wrong in it, TooLarge."""
    try:
        parsed = core.parse(asked.query, max_tokens=TOKENS)
        if len(parsed.definitions) > DEFINITIONS:
            raise too_large(f"$graphql: a document has at most {DEFINITIONS} operations and fragments")
        if errors := core.validate(_SCHEMA, parsed, _RULES, max_errors=20, hide_suggestions=True):
            raise refused(errors)
        fragments = {
            one.name.value: one for one in parsed.definitions if isinstance(one, language.FragmentDefinitionNode)
        }
        operation = _operation(parsed, asked.operation)
        _measure(operation, fragments)
        values = get_variable_values(_SCHEMA, operation.variable_definitions or (), dict(asked.variables))
    except core.GraphQLError as error:
        raise refused([error]) from error
    except RecursionError as error:
        raise too_large(f"$graphql: a document is nested {DEPTH} levels deep at most") from error
    if isinstance(values, list):
        raise refused(values)
    return Document(operation, fragments, values.coerced)


def refused(errors: Sequence[core.GraphQLError]) -> HealixError:
    """What graphql-core found, as a refusal with places."""
    issues = tuple(
        Issue("invalid", error.message, place=next(((one.line, one.column) for one in error.locations or ()), None))
        for error in errors
    )
    return HealixError(Category.INVALID, issues[0].message, issues=issues)


def wrong(node: language.Node, message: str) -> HealixError:
    """The refusal of a part of a document, with its place."""
    place = None
    if node.loc is not None:
        found = language.get_location(node.loc.source, node.loc.start)
        place = (found.line, found.column)
    return HealixError(Category.INVALID, message, issues=(Issue("invalid", message, place=place),))


def _operation(parsed: language.DocumentNode, name: str | None) -> language.OperationDefinitionNode:
    found = [one for one in parsed.definitions if isinstance(one, language.OperationDefinitionNode)]
    if name is not None:
        found = [one for one in found if one.name is not None and one.name.value == name]
    if len(found) != 1:
        raise invalid(
            f"$graphql: there is no operation '{name[:64]}'" if name else "$graphql: operationName tells which to run",
            code="value",
            expression=("operationName",),
        )
    (operation,) = found
    if operation.operation is not language.OperationType.QUERY:
        raise wrong(operation, f"$graphql: a {operation.operation.value} is not supported: write with REST")
    return operation


def _measure(operation: language.OperationDefinitionNode, fragments: Mapping[str, Any]) -> None:
    known: dict[str, tuple[int, int]] = {}

    def of(selections: language.SelectionSetNode | None) -> tuple[int, int]:
        """The levels below, and the fields in them, with fragments put in."""
        depth = fields = 0
        for levels, count in _inner(selections):
            depth, fields = max(depth, levels), fields + count
        return depth, fields

    def _inner(selections: language.SelectionSetNode | None) -> Iterator[tuple[int, int]]:
        for one in selections.selections if selections else ():
            if isinstance(one, language.FragmentSpreadNode):
                name = one.name.value
                if name not in known:
                    known[name] = of(fragments[name].selection_set)
                yield known[name]
            elif isinstance(one, language.FieldNode):
                depth, fields = of(one.selection_set)
                yield depth + 1, fields + 1
            else:
                yield of(one.selection_set)  # type: ignore[attr-defined]

    depth, fields = of(operation.selection_set)
    if depth > DEPTH:
        raise too_large(f"$graphql: a query is {DEPTH} levels deep at most, with its fragments; this is {depth}")
    if fields > FIELDS:
        raise too_large(f"$graphql: a query asks for {FIELDS} fields at most, with its fragments; this is {fields}")
