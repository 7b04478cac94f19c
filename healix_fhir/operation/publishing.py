"""The OperationDefinitions of what runs, kept as resources: read, searched and versioned like all others.

The job worker publishes them when it starts, where they differ from what is stored: after an update of this program,
or where somebody has changed or deleted one. See docs/decisions/0145-operations-are-declared.md.

Spec: FHIR R4, hl7.org/fhir/R4/operationdefinition.html
"""

from __future__ import annotations

from healix_fhir.interaction.accept import change
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode, decode_stored, encode
from healix_fhir.operation.given import Json
from healix_fhir.operation.registry import ROWS
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from smart_auth.access import internal

TYPE = "OperationDefinition"


def definitions() -> dict[str, Json]:
    """The resources by id."""
    return {one.definition.id: decode(encode(one.published())) for one in ROWS}


def publish(bases: tuple[str, ...]) -> Work[int]:
    """Store those that are not stored as they should be; how many that were."""
    wanted = definitions()
    rows = yield Statement(
        "SELECT id, body FROM resource WHERE type = %s AND id = ANY(%s) AND NOT deleted", (TYPE_ID[TYPE], list(wanted))
    )
    stored = {id_: decode_stored(bytes(body)) for id_, body in rows}
    changes = [
        change(Method.PUT, resource, TYPE, id_, bases)
        for id_, resource in wanted.items()
        if _without_meta(stored.get(id_, {})) != resource
    ]
    yield from commit(internal("operations"), changes)
    return len(changes)


def _without_meta(resource: Json) -> Json:
    return {key: value for key, value in resource.items() if key != "meta"}
