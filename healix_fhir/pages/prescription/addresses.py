"""The addresses of the pages of prescriptions, each behind the gate."""

from __future__ import annotations

from collections.abc import Mapping

from healix_fhir.pages.gate import Handler
from healix_fhir.pages.prescription import acting, listing, printing, signing, taking, writing
from healix_fhir.pages.prescription.gate import ADDRESS, CLINICIANS, PEOPLE
from healix_fhir.pages.prescription.listing import REFILLS

ONE = f"{ADDRESS}/{{id}}"
MEDICINES = "/account/medicines"
SHOWN: Mapping[str, Handler] = {
    ADDRESS: PEOPLE.showing(listing.show),
    REFILLS: CLINICIANS.showing(listing.refills),
    f"{ADDRESS}/write": CLINICIANS.showing(writing.show),
    ONE: CLINICIANS.showing(signing.show),
    f"{ONE}/pdf": PEOPLE.showing(printing.show),
}
"""What is answered to GET; in this order."""
SENT: Mapping[str, Handler] = {
    f"{ADDRESS}/write": CLINICIANS.acting(writing.save),
    f"{ADDRESS}/write/check": CLINICIANS.acting(writing.check),
    f"{ONE}/check": CLINICIANS.acting(signing.check),
    f"{ONE}/sign": CLINICIANS.acting(signing.submit),
    f"{ONE}/remove": CLINICIANS.acting(signing.remove),
    f"{ONE}/renew": CLINICIANS.acting(signing.renew),
    f"{ONE}/decline": CLINICIANS.acting(signing.decline),
    f"{ONE}/status": CLINICIANS.acting(acting.change),
    f"{ONE}/dispense": CLINICIANS.acting(acting.dispense),
    f"{ONE}/refill": PEOPLE.acting(acting.ask),
    f"{ONE}/withdraw": PEOPLE.acting(acting.withdraw),
    MEDICINES: PEOPLE.acting(taking.add),
    f"{MEDICINES}/{{id}}/end": PEOPLE.acting(taking.end),
}
"""What takes a form by POST."""
