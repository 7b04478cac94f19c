"""$diff: what changes between two resources, or two versions of one, as a FHIRPath Patch.

R4 has no such operation. What comes out can be sent as a patch of the first: it makes the second of it, but for what
the server sets.

Spec: FHIR R4, hl7.org/fhir/R4/fhirpatch.html, hl7.org/fhir/R4/history.html
"""

from __future__ import annotations

import asyncio
import re

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import invalid, not_found, too_large
from healix_fhir.model.json import decode_stored, encode
from healix_fhir.model.operation_definition import MANY
from healix_fhir.model.patch.difference import difference
from healix_fhir.model.patch.fhirpath_operation import LIMIT
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.given import Given, Json
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext

DIFF = own(
    "diff",
    "What must be done to make one resource of another of its type: a FHIRPath Patch.",
    into("from", "uri", "The first resource, as Type/id or Type/id/_history/version; for the system"),
    into("to", "uri", "The second one, likewise"),
    into("fromResource", "Resource", "The first resource itself; for the system"),
    into("toResource", "Resource", "The second one itself"),
    into("fromVersion", "id", "The first version of the instance; without it, the one before the second"),
    into("toVersion", "id", "The second version of the instance; without it, the current one"),
    out("operation", "", "A step of the patch", least=0, most=MANY),
    levels=("system", "instance"),
)
ADDRESS = re.compile(r"(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/(?P<version>[0-9]{1,9}))?")
OF_INSTANCE = ("fromVersion", "toVersion")


async def diff(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The patch. Raises NotFound for what is not there or not to be seen, Invalid, TooLarge for too many steps."""
    given = invocation.given
    system = invocation.id is None
    for name in given.arguments:
        if (name in OF_INSTANCE) is system:
            raise invalid(f"$diff on the {invocation.level} level does not take '{name}'", code="value",
                          expression=(name,))  # fmt: skip
    if system:
        before = await _resource(interactions, access, given, "from")
        after = await _resource(interactions, access, given, "to")
    else:
        before, after = await _versions(interactions, access, invocation)
    if before["resourceType"] != after["resourceType"]:
        raise invalid("$diff compares resources of one type", code="value", expression=("to",))
    patch = await asyncio.to_thread(difference, before, after)
    if len(patch.get("parameter", ())) > LIMIT:
        raise too_large(f"there are more differences than the {LIMIT} steps of a patch")
    return encode(patch)


async def _resource(interactions: Interactions, access: AccessContext, given: Given, name: str) -> Json:
    address, sent = given.text(name), given.json(f"{name}Resource")
    if (address is None) is (sent is None):
        raise invalid(f"$diff takes one of '{name}' and '{name}Resource'", code="required", expression=(name,))
    if sent is not None:
        return sent
    assert address is not None
    for base in interactions.bases:
        address = address.removeprefix(f"{base}/")
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise invalid(f"$diff: '{name}' must be Type/id or Type/id/_history/version", code="value", expression=(name,))
    return await _read(interactions, access, match["type"], match["id"], match["version"])


async def _versions(interactions: Interactions, access: AccessContext, invocation: Invocation) -> tuple[Json, Json]:
    type_name, id_, given = str(invocation.type), str(invocation.id), invocation.given
    after = await _read(interactions, access, type_name, id_, given.text("toVersion"))
    first = given.text("fromVersion")
    if first is None:
        number = int(after["meta"]["versionId"]) - 1
        if number < 1:
            raise not_found(f"{type_name}/{id_} has no version before that one")
        first = str(number)
    return await _read(interactions, access, type_name, id_, first), after


async def _read(
    interactions: Interactions, access: AccessContext, type_name: str, id_: str, version: str | None
) -> Json:
    if version is None:
        return decode_stored((await interactions.read(access, type_name, id_)).body)
    return decode_stored((await interactions.vread(access, type_name, id_, version)).body)
