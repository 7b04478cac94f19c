"""$document: a Composition with all that it refers to, as a document.

The Bundle begins with the Composition; then come subject, authors and whatever else its elements and sections refer
to. It is made of what the caller may see. What is not there, or not for the caller, makes no document: half of one
would look like a whole. With `persist` it is stored, and does not change any more.

Spec: FHIR R4, hl7.org/fhir/R4/composition-operation-document.html, hl7.org/fhir/R4/documents.html
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.errors import Category, HealixError, invalid, unsupported
from healix_fhir.model.definitions import TYPE_NAME
from healix_fhir.model.json import decode_stored, encode
from healix_fhir.model.operation_definition import standard
from healix_fhir.model.references import references
from healix_fhir.operation.declaring import changed
from healix_fhir.operation.given import Json
from healix_fhir.operation.invocation import Invocation
from healix_fhir.search.params.reference import target
from healix_fhir.store.read import Ask, read_each
from healix_fhir.store.stored import Stored
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

COMPOSITION = "Composition"
REFERRED = 1000
"""Resources that one document may hold beside its Composition."""
DOCUMENT = changed(
    standard("Composition-document"),
    f"The answer is the document. It holds {REFERRED} resources at most, all of them of this server.",
)
Address = tuple[str, str]


async def document(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The document. Raises NotFound, Unprocessable where something is missing that the Composition refers to."""
    given = invocation.given
    stored = await interactions.read(access, COMPOSITION, _id(invocation, interactions.bases))
    composition = decode_stored(stored.body)
    wanted = _referred(composition, interactions.bases)
    found = await interactions.looked_up(lambda: read_each([Ask(access, *address) for address in wanted]))
    for address, one in zip(wanted, found, strict=True):
        if isinstance(one, HealixError):
            raise HealixError(
                Category.UNPROCESSABLE, f"the Composition refers to {'/'.join(address)}, which is not there"
            )
    held = [one for one in found if isinstance(one, Stored)]
    made = document_of([entry_of(interactions.bases[0], one) for one in (stored, *held)])
    if not given.flag("persist"):
        return encode(made)
    access.require("Bundle", Permission.CREATE)
    written = await interactions.create(access, "Bundle", encode(made))
    return written.stored.body


def entry_of(base: str, stored: Stored) -> tuple[str, Json]:
    """The full URL of a resource on the server at `base`, and the resource."""
    return f"{base}/{stored.type}/{stored.id}", decode_stored(stored.body)


def document_of(entries: Sequence[tuple[str, Json]], profile: str | None = None) -> Json:
    """The document of resources by their full URLs, the Composition first."""
    return {
        "resourceType": "Bundle",
        **({"meta": {"profile": [profile]}} if profile else {}),
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid4()}"},
        "type": "document",
        "timestamp": instant(clock.now()),
        "entry": [{"fullUrl": url, "resource": resource} for url, resource in entries],
    }


def _id(invocation: Invocation, bases: tuple[str, ...]) -> str:
    given = invocation.given.text("id")
    if invocation.id is not None:
        if given is not None:
            raise invalid("$document on a Composition does not take 'id'", code="value", expression=("id",))
        return invocation.id
    if given is None:
        raise invalid("$document needs the parameter 'id'", code="required", expression=("id",))
    place = target(given if "/" in given else f"{COMPOSITION}/{given}", bases)
    if place is None or place[0] is None:
        raise unsupported("$document: the Composition must be one of this server")
    if TYPE_NAME[place[0]] != COMPOSITION:
        raise invalid("$document: 'id' must name a Composition", code="value", expression=("id",))
    return place[1]


def _referred(composition: Json, bases: tuple[str, ...]) -> Sequence[Address]:
    """What a Composition refers to, each once, in order; what it contains is in it already."""
    found: dict[Address, None] = {}
    for location, text in references(composition):
        place = target(text, bases)
        if place is None:
            continue
        if place[0] is None or "/_history/" in text:
            raise unsupported(
                f"{location}: {text[:100]} is no current resource of this server; $document takes no other"
            )
        found[TYPE_NAME[place[0]], place[1]] = None
    found.pop((COMPOSITION, composition["id"]), None)
    if len(found) > REFERRED:
        raise HealixError(
            Category.UNPROCESSABLE, f"the Composition refers to more than {REFERRED} resources", code="too-costly"
        )
    return tuple(found)
