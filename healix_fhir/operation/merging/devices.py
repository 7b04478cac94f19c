"""The tokens of devices, when the Patient whose they are is merged into another, or that is undone.

A device cannot ask anybody for access anew: it goes on for the Patient who has its Device now.
"""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Work
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.measurement.keeping import DEVICE, patient_of
from healix_fhir.store.stored import Committed
from smart_auth.oauth.pairing import carry


def carried(done: Sequence[Committed], bases: tuple[str, ...], origin: Origin) -> Work[int]:
    """Let the tokens of the Devices among what was written go with them; how many did."""
    stored = (one.stored for one in done if one.stored is not None and one.stored.type == DEVICE)
    found = {one.id: patient_of(decode_stored(one.body), bases) for one in stored}
    whose = {device: patient for device, patient in found.items() if patient is not None}
    return (yield from carry(whose, origin)) if whose else 0
