"""Lets the document of an order stand as the order does: an outbox consumer of the topic `resource`.

The document of an order that is not in use is not the current one any more, and one of a mistake says so.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-document-reference-status.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from healix_fhir.care.prescriptions.gathering import ACCESS
from healix_fhir.interaction.patch import patched
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode
from healix_fhir.operation.prescription.kept import document_id
from healix_fhir.operation.prescription.order import REQUEST
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method

Json = dict[str, Any]
DOCUMENT = "DocumentReference"
MISTAKE = "entered-in-error"


def standing(order: Mapping[str, Any]) -> str:
    """The status of the document of an order."""
    status = order.get("status")
    return "current" if status == "active" else MISTAKE if status == MISTAKE else "superseded"


def consumer(bases: tuple[str, ...]) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server whose FHIR base URLs are `bases`."""
    return lambda events: _handle(bases, events)


def _handle(bases: tuple[str, ...], events: Sequence[Event]) -> Work[None]:
    changed = sorted({event.payload["id"] for event in events if event.payload["type"] == REQUEST})
    if not changed:
        return
    rows = yield Statement(
        """SELECT d.id, d.body, r.body FROM unnest(%s::text[], %s::text[]) AS x (document, request)
           JOIN resource d ON d.type = %s AND d.id = x.document COLLATE "C" AND NOT d.deleted
           JOIN resource r ON r.type = %s AND r.id = x.request COLLATE "C" AND NOT r.deleted
           ORDER BY d.id""",
        ([document_id(one) for one in changed], changed, TYPE_ID[DOCUMENT], TYPE_ID[REQUEST]),
    )
    changes = []
    for id_, document, order in rows:
        status = standing(decode(bytes(order)))
        if decode(bytes(document)).get("status") != status:
            changes.append(Change(Method.PATCH, DOCUMENT, id_, patch=patched(DOCUMENT, id_, _as(status), bases)))
    if changes:
        yield from commit(ACCESS, changes)


def _as(status: str) -> Callable[[Json], Json]:
    return lambda document: document | {"status": status}
