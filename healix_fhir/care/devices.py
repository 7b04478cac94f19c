"""Takes the access of devices back that are not in use any more, or are of somebody else: an outbox consumer.

A Device may become inactive in any way that a resource changes, and with it its token, as `$unpair` ends it, must go.
Merged Patients are no such change: their devices' tokens go on with them in the merge itself.

Spec: FHIR R4, hl7.org/fhir/R4/device-definitions.html#Device.status; docs/decisions/0151
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.measurement.keeping import DEVICE, is_in_use, patient_of
from smart_auth.oauth.pairing import holders, withdraw

NAME = "devices"
"""Under this name the server takes access back."""


def consumer(bases: tuple[str, ...]) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server whose FHIR base URLs are `bases`."""
    return lambda events: _handle(bases, events)


def _handle(bases: tuple[str, ...], events: Sequence[Event]) -> Work[None]:
    changed = sorted({event.payload["id"] for event in events if event.payload["type"] == DEVICE})
    had = (yield from holders(changed)) if changed else set()
    if not had:
        return
    rows = yield Statement(
        "SELECT id, body FROM resource WHERE type = %s AND id = ANY(%s) AND NOT deleted ORDER BY id FOR SHARE",
        (TYPE_ID[DEVICE], sorted({device for device, _ in had})),
    )
    had = yield from holders([device for device, _ in had])  # a merge may have carried tokens on before that lock
    devices = {id_: decode_stored(bytes(body)) for id_, body in rows}
    whose = {id_: patient_of(device, bases) for id_, device in devices.items() if is_in_use(device)}
    ended = sorted((device, patient) for device, patient in had if whose.get(device) != patient)
    if ended:
        yield from withdraw(ended, Origin(client=NAME))
