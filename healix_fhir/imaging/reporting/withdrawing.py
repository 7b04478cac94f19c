"""Withdraws the document of an imaging report that was a mistake: an outbox consumer of the topic `resource`.

The report says entered-in-error, and so does its DocumentReference from then on, which would be the current one else.
Who ordered, and was told of the report, is told of that: a patient may be treated by it.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-document-reference-status.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from healix_fhir.care.tongues import tongues
from healix_fhir.imaging.reporting.edition import resource_id
from healix_fhir.imaging.reporting.resources import taken_back
from healix_fhir.imaging.reporting.telling import tell_of_mistake
from healix_fhir.interaction.accept import change
from healix_fhir.interaction.patch import patched
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.language.spoken import ENGLISH, speaking
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.imaging_report import REPORT, instance_of
from healix_fhir.model.json import decode
from healix_fhir.store.commit import commit
from healix_fhir.store.lifecycle.diagnostic_report import MISTAKE
from healix_fhir.store.stored import Change, Method
from smart_auth.access import internal

Json = dict[str, Any]
DOCUMENT, TOLD = "DocumentReference", "Communication"


def consumer(bases: tuple[str, ...], language: str = ENGLISH) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server whose FHIR base URLs are `bases`, in the clinic's `language` for who chose none."""
    return lambda events: _handle(bases, language, events)


def _handle(bases: tuple[str, ...], clinic: str, events: Sequence[Event]) -> Work[None]:
    changed = sorted({event.payload["id"] for event in events if event.payload["type"] == REPORT})
    if not changed:
        return
    rows = yield Statement(
        "SELECT r.body FROM resource r WHERE r.type = %s AND r.id = ANY(%s) AND NOT r.deleted",
        (TYPE_ID[REPORT], changed),
    )
    reports = [decode(bytes(body)) for (body,) in rows]
    uids = sorted(uid for one in reports if one.get("status") == MISTAKE and (uid := instance_of(one)) is not None)
    if not uids:
        return
    found = yield from _held(DOCUMENT, [resource_id(DOCUMENT, uid) for uid in uids])
    current = {id_ for id_, one in found.items() if one["status"] != MISTAKE}
    uids = [uid for uid in uids if resource_id(DOCUMENT, uid) in current]
    if not uids:
        return
    told = yield from _held(TOLD, [resource_id(TOLD, uid) for uid in uids])
    whom = {id_: str(one["recipient"][0]["reference"]) for id_, one in told.items()}
    languages = (yield from tongues(whom.values(), clinic)) if whom else {}
    news = []
    for uid in uids:
        if (id_ := resource_id(TOLD, uid)) in told:
            with speaking(languages[whom[id_]]):
                news.append(taken_back(told[id_], resource_id(TOLD, f"{uid} {MISTAKE}")))
    changes = [Change(Method.PATCH, DOCUMENT, id_, patch=patched(DOCUMENT, id_, _withdrawn, bases))
               for id_ in sorted(current)]  # fmt: skip
    changes += [change(Method.PUT, one, TOLD, one["id"], bases) for one in news]
    yield from commit(internal("reports"), changes)
    for one in news:
        yield from tell_of_mistake(one, bases, clinic)


def _held(kind: str, ids: Sequence[str]) -> Work[dict[str, Json]]:
    """The resources of a type that there are, by logical id."""
    rows = yield Statement(
        "SELECT r.id, r.body FROM resource r WHERE r.type = %s AND r.id = ANY(%s) AND NOT r.deleted",
        (TYPE_ID[kind], ids),
    )
    return {id_: decode(bytes(body)) for id_, body in rows}


def _withdrawn(document: Json) -> Json:
    return document | {"status": MISTAKE}
