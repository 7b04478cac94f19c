"""Operations: what the registry holds is run, every other one is refused by name.

Spec: FHIR R4, hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from healix_fhir.api.call import Answer, Call
from healix_fhir.api.negotiation import XML_TYPES
from healix_fhir.api.prefer import parse_prefer
from healix_fhir.interaction.denial import denials
from healix_fhir.interaction.service import Interactions
from healix_fhir.operation import registry
from healix_fhir.operation.invocation import Invocation

CALLS = ("GET", "POST", "DELETE")
LATER = ("export", "import", "report")
"""The operations that are answered later."""


def later(path: Mapping[str, str]) -> bool:
    """Whether the operation of a path is answered later."""
    return path["operation"] in LATER


def methods(path: Mapping[str, str]) -> Collection[str]:
    """The methods that call the operation of a path; all where there is no such operation, to refuse it by name."""
    return registry.methods(path["operation"], path.get("type")) or CALLS


def media(path: Mapping[str, str]) -> tuple[str, ...]:
    """The media types that the body of a call may have beside FHIR's."""
    return registry.media(path["operation"])


async def operation(interactions: Interactions, call: Call) -> Answer:
    """`[base]/$name`, `[base]/[type]/$name`, `[base]/[type]/[id]/$name`."""
    as_sent = call.content_type not in XML_TYPES
    prefer = parse_prefer(call.header(b"prefer"))
    asked = Invocation(
        tuple(call.params),
        call.body,
        call.path.get("type"),
        call.path.get("id"),
        as_sent,
        call.method,
        asynchronous=prefer.asynchronous,
        lenient=prefer.lenient,
        content_type=call.content_type,
    )
    found = registry.find(call.path["operation"], asked)
    result = await registry.run(found, interactions, call.access, asked)
    if isinstance(result, bytes):
        return Answer(200, result)
    headers = tuple((name.encode(), value.encode()) for name, value in result.headers)
    word, entity = f"${found.name}", "/".join(filter(None, (asked.type, asked.id)))
    return Answer(
        result.status,
        result.body,
        headers,
        result.content_type.encode() or None,
        tuple(denials(call.access, result.refused, word, entity)) if result.refused is not None else (),
    )
