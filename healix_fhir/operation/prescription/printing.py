"""$print: the printed document of a signed order, in one of the languages in which it is kept.

`GET [base]/MedicationRequest/[id]/$print?language=de` answers with the Binary that was kept when the order was signed
(care/prescriptions/filing.py); its address stands in Content-Location, where `Accept: application/pdf` gives the bytes.
Only what is in use is handed out so: a stopped order is no prescription to dispense by. The document as it was signed
stays, as DocumentReference, whose `context.related` names the version of the order.

Spec: FHIR R4, hl7.org/fhir/R4/operations.html, hl7.org/fhir/R4/binary.html
"""

from __future__ import annotations

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError, not_found, unsupported
from healix_fhir.kernel.language.spoken import ENGLISH, LANGUAGES
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.invocation import Invocation, Outcome
from healix_fhir.operation.prescription.kept import binary_id
from healix_fhir.operation.prescription.order import REQUEST
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

BINARY = "Binary"
ABSENT = frozenset({Category.NOT_FOUND, Category.GONE})
PRINT = own(
    "print",
    "The printed document (PDF) of an order that was signed here and is in use.",
    into("language", "code", f"The language of its words: {', '.join(LANGUAGES)}; {ENGLISH} if it is not given."),
    out("return", BINARY, "The PDF; its address stands in Content-Location"),
    levels=("instance",),
    resource=(REQUEST,),
)


async def print_operation(interactions: Interactions, access: AccessContext, invocation: Invocation) -> Outcome:
    """The Binary. Raises NotFound where the order, or a document of it, is not there or not to be seen, Conflict for an
    order that is not in use, Unsupported for other languages.
    """
    language = (invocation.given.text("language") or ENGLISH).partition("-")[0].lower()
    if language not in LANGUAGES:
        raise unsupported(f"$print: the language is not supported; {', '.join(LANGUAGES)} are")
    access.require(BINARY, Permission.READ)
    order = decode_stored((await interactions.read(access, REQUEST, str(invocation.id))).body)
    status = order.get("status")
    if status != "active":
        raise HealixError(
            Category.CONFLICT, f"{REQUEST}/{order['id']} is {status}, and nothing to dispense by", code="business-rule"
        )
    try:
        kept = await interactions.read(access, BINARY, binary_id(str(order["id"]), language))
    except HealixError as error:
        if error.category not in ABSENT:
            raise
        raise not_found(
            f"there is no document of {REQUEST}/{order['id']}: it was not signed here, or is being printed"
        ) from error
    return Outcome(200, kept.body, (("content-location", f"{interactions.bases[0]}/{BINARY}/{kept.id}"),))
