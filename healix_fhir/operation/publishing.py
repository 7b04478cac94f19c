"""The OperationDefinitions of what runs and the topics of subscriptions, kept as resources like all others.

The job worker publishes them when it starts, where they differ from what is stored: after an update of this program,
or where somebody has changed or deleted one. See docs/decisions/0145-operations-are-declared.md.

Spec: FHIR R4, hl7.org/fhir/R4/operationdefinition.html
"""

from __future__ import annotations

from collections.abc import Mapping

from healix_fhir.interaction.accept import change
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode, decode_stored, encode
from healix_fhir.operation.given import Json
from healix_fhir.operation.registry import ROWS
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from healix_fhir.subscription.catalogue import CATALOGUE, id_of
from healix_fhir.subscription.topic import resource_of
from healix_fhir.subscription.topics import TYPE as BASIC
from smart_auth.access import internal

TYPE = "OperationDefinition"


def definitions() -> dict[str, Json]:
    """The resources by id."""
    return {one.definition.id: decode(encode(one.published())) for one in ROWS}


def topics() -> dict[str, Json]:
    """The resources of the topics that subscribers find here, by id."""
    return {id_of(topic): resource_of(topic, id_of(topic), f"{topic.title}.") for topic in CATALOGUE}


def publish(bases: tuple[str, ...]) -> Work[int]:
    """Store those that are not stored as they should be; how many that were."""
    changed = yield from _published(TYPE, definitions(), bases)
    return changed + (yield from _published(BASIC, topics(), bases))


def _published(type_name: str, wanted: Mapping[str, Json], bases: tuple[str, ...]) -> Work[int]:
    rows = yield Statement(
        "SELECT id, body FROM resource WHERE type = %s AND id = ANY(%s) AND NOT deleted",
        (TYPE_ID[type_name], list(wanted)),
    )
    stored = {id_: decode_stored(bytes(body)) for id_, body in rows}
    changes = [
        change(Method.PUT, resource, type_name, id_, bases)
        for id_, resource in wanted.items()
        if _without_meta(stored.get(id_, {})) != resource
    ]
    if changes:
        yield from commit(internal("operations"), changes)
    return len(changes)


def _without_meta(resource: Json) -> Json:
    return {key: value for key, value in resource.items() if key != "meta"}
