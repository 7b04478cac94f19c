"""Withdraws the document of an imaging report that was a mistake: an outbox consumer of the topic `resource`.

The report says entered-in-error, and so does its DocumentReference from then on, which would be the current one else.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-document-reference-status.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from healix_fhir.imaging.reporting.edition import resource_id
from healix_fhir.interaction.patch import patched
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.imaging_report import REPORT, instance_of
from healix_fhir.model.json import decode
from healix_fhir.store.commit import commit
from healix_fhir.store.lifecycle.diagnostic_report import MISTAKE
from healix_fhir.store.stored import Change, Method
from smart_auth.access import internal

Json = dict[str, Any]
DOCUMENT = "DocumentReference"


def consumer(bases: tuple[str, ...]) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server whose FHIR base URLs are `bases`."""
    return lambda events: _handle(bases, events)


def _handle(bases: tuple[str, ...], events: Sequence[Event]) -> Work[None]:
    changed = sorted({event.payload["id"] for event in events if event.payload["type"] == REPORT})
    if not changed:
        return
    rows = yield Statement(
        "SELECT r.body FROM resource r WHERE r.type = %s AND r.id = ANY(%s) AND NOT r.deleted",
        (TYPE_ID[REPORT], changed),
    )
    reports = [decode(bytes(body)) for (body,) in rows]
    uids = [uid for one in reports if one.get("status") == MISTAKE and (uid := instance_of(one)) is not None]
    if not uids:
        return
    there = yield Statement(
        "SELECT r.id FROM resource r WHERE r.type = %s AND r.id = ANY(%s) AND NOT r.deleted ORDER BY r.id",
        (TYPE_ID[DOCUMENT], [resource_id(DOCUMENT, uid) for uid in uids]),
    )
    changes = [Change(Method.PATCH, DOCUMENT, id_, patch=patched(DOCUMENT, id_, _withdrawn, bases)) for (id_,) in there]
    if changes:
        yield from commit(internal("reports"), changes)


def _withdrawn(document: Json) -> Json:
    return document | {"status": MISTAKE}
