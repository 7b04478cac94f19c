"""The addresses of the pages of prescriptions, each behind the gate."""

from __future__ import annotations

from collections.abc import Mapping

from healix_fhir.pages.prescription import acting as acts
from healix_fhir.pages.prescription import listing, printing, signing, taking, writing
from healix_fhir.pages.prescription.gate import ADDRESS, Handler, acting, showing
from healix_fhir.pages.prescription.listing import REFILLS

ONE = f"{ADDRESS}/{{id}}"
MEDICINES = "/account/medicines"
SHOWN: Mapping[str, Handler] = {
    ADDRESS: showing(listing.show),
    REFILLS: showing(listing.refills, clinicians=True),
    f"{ADDRESS}/write": showing(writing.show, clinicians=True),
    ONE: showing(signing.show, clinicians=True),
    f"{ONE}/pdf": showing(printing.show),
}
"""What is answered to GET; in this order."""
SENT: Mapping[str, Handler] = {
    f"{ADDRESS}/write": acting(writing.save, clinicians=True),
    f"{ADDRESS}/write/check": acting(writing.check, clinicians=True),
    f"{ONE}/check": acting(signing.check, clinicians=True),
    f"{ONE}/sign": acting(signing.submit, clinicians=True),
    f"{ONE}/remove": acting(signing.remove, clinicians=True),
    f"{ONE}/renew": acting(signing.renew, clinicians=True),
    f"{ONE}/decline": acting(signing.decline, clinicians=True),
    f"{ONE}/status": acting(acts.change, clinicians=True),
    f"{ONE}/dispense": acting(acts.dispense, clinicians=True),
    f"{ONE}/refill": acting(acts.ask),
    f"{ONE}/withdraw": acting(acts.withdraw),
    MEDICINES: acting(taking.add),
    f"{MEDICINES}/{{id}}/end": acting(taking.end),
}
"""What takes a form by POST."""
