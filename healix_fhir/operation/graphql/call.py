"""$graphql as it is declared and called. What runs it is loaded with the first call: graphql-core takes each process a
tenth of a second and its memory, for what many servers are never asked.

Spec: FHIR R4, hl7.org/fhir/R4/graphql.html, hl7.org/fhir/R4/resource-operation-graphql.html
"""

from __future__ import annotations

from healix_fhir.interaction.service import Interactions
from healix_fhir.model.operation_definition import standard
from healix_fhir.operation.declaring import changed
from healix_fhir.operation.invocation import Invocation, Outcome
from smart_auth.access import AccessContext

RESOURCES = 5_000
"""Resources that one request reads and finds."""
LOOKUPS = 20
"""Searches of one request."""
GRAPHQL = changed(
    standard("Resource-graphql"),
    f"Also on the type level: the same as on the system level, for that type. `variables` and `operationName` are taken"
    f" as GraphQL over HTTP has them. A query takes at most {LOOKUPS} searches and finds at most {RESOURCES} resources;"
    " nothing is changed by it.",
    levels=("system", "type", "instance"),
)


async def graphql(interactions: Interactions, access: AccessContext, invocation: Invocation) -> Outcome:
    """The answer, in GraphQL's form also where the query is refused."""
    from healix_fhir.operation.graphql import run

    return await run.graphql(interactions, access, invocation)
