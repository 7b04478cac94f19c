"""$pairing-code and $unpair on a Device: a code that the device exchanges for its own access, and the end of that.

`POST [base]/Device/[id]/$pairing-code` answers a code to be typed in, or read out, at the device or its gateway app.
That sends it to the token endpoint (`grant_type=urn:healix:oauth:grant-type:pairing-code`) and gets a token with which
it can send readings by `$ingest-measurements`, and do nothing else. `POST [base]/Device/[id]/$unpair` ends that token.

Both are for who may change the Device: the code makes it `active`, unpairing `inactive`, so that its readings are
refused whoever sends them.

Spec: FHIR R4, hl7.org/fhir/R4/device.html; docs/decisions/0151
"""

from __future__ import annotations

from healix_fhir.interaction.accept import known_id
from healix_fhir.interaction.patch import patched
from healix_fhir.interaction.review import Review
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode_stored, encode
from healix_fhir.operation.declaring import out, own
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.measurement.keeping import DEVICE, patient_of
from healix_fhir.store.commit import commit
from healix_fhir.store.lock import permit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext
from smart_auth.oauth.pairing import Code, code_for, unpair

PAIRING_CODE = own(
    "pairing-code",
    "A code, good once and for ten minutes, that the device exchanges for a token with which it may send readings.",
    out("code", "string", "To be typed in at the device: two groups of four letters and digits"),
    out("expires", "instant", "Until when it is good"),
    levels=("instance",),
    resource=(DEVICE,),
)
UNPAIR = own(
    "unpair",
    "Ends the access of a device at once, and makes it inactive: readings of it are no longer taken.",
    out("return", DEVICE, "The device as it is now"),
    levels=("instance",),
    resource=(DEVICE,),
)


async def pairing_code(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """A new code. Raises Forbidden, NotFound, Unprocessable for a device that no patient has, Busy."""
    code = await pair(interactions, access, str(invocation.id))
    parts = [
        {"name": "code", "valueString": code.text},
        {"name": "expires", "valueInstant": instant(code.expires)},
    ]
    return encode({"resourceType": "Parameters", "parameter": parts})


async def end_pairing(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """Unpair a device; the Device as it is now. Raises Forbidden, NotFound, Unprocessable."""
    return await part(interactions, access, str(invocation.id))


async def pair(interactions: Interactions, access: AccessContext, device: str) -> Code:
    """A code for a device that the caller may change."""
    made = _made(interactions, access, device, "active")

    def work(review: Review) -> Work[Code]:
        _, patient = yield from _marked(access, review(made), interactions.bases)
        return (yield from code_for(device, patient, access.origin))

    return await interactions.writing.reviewed(
        access, lambda review: atransaction(interactions.pool, lambda: work(review))
    )


async def part(interactions: Interactions, access: AccessContext, device: str) -> bytes:
    """End the access of a device that the caller may change; its JSON."""
    made = _made(interactions, access, device, "inactive")

    def work(review: Review) -> Work[bytes]:
        body, patient = yield from _marked(access, review(made), interactions.bases)
        yield from unpair(device, patient, access.origin)
        return body

    return await interactions.writing.reviewed(
        access, lambda review: atransaction(interactions.pool, lambda: work(review))
    )


def _made(interactions: Interactions, access: AccessContext, device: str, status: str) -> Change:
    """The change that gives a device a status."""
    known_id(DEVICE, device)
    permit(access, DEVICE, Method.PATCH)
    patch = patched(DEVICE, device, lambda resource: resource | {"status": status}, interactions.bases)
    return Change(Method.PATCH, DEVICE, device, patch=patch)


def _marked(access: AccessContext, made: Change, bases: tuple[str, ...]) -> Work[tuple[bytes, str]]:
    """Make the change: the device's JSON, and the id of the patient who has it."""
    (done,) = yield from commit(access, [made])
    assert done.stored is not None
    body = done.stored.body
    patient = patient_of(decode_stored(body), bases)
    if patient is None:
        raise HealixError(Category.UNPROCESSABLE, f"{DEVICE}/{made.id} is of no patient: Device.patient says whose")
    return body, patient
