"""The addresses of the pages of images that are read and reported, each behind the gate."""

from __future__ import annotations

from collections.abc import Mapping

from healix_fhir.pages.gate import Handler
from healix_fhir.pages.reading import choosing, listing, ordering, pictures, results, writing
from healix_fhir.pages.reading.gate import CLINICIANS, ORDERS, PEOPLE, PICTURE, READING, RESULTS, acting

SHOWN: Mapping[str, Handler] = {
    READING: CLINICIANS.showing(listing.show),
    f"{READING}/{{id}}": CLINICIANS.showing(writing.show),
    f"{READING}/{{id}}/images": CLINICIANS.showing(choosing.show),
    ORDERS: CLINICIANS.showing(ordering.show),
    PICTURE: PEOPLE.showing(pictures.show),
    RESULTS: PEOPLE.showing(results.show),
    f"{RESULTS}/{{id}}": PEOPLE.showing(results.one),
    f"{RESULTS}/{{id}}/pdf": PEOPLE.showing(results.pdf),
}
"""What is answered to GET."""
SENT: Mapping[str, Handler] = {
    ORDERS: acting(ordering.submit),
    READING: acting(listing.deal),
    f"{READING}/{{id}}": acting(writing.submit),
    f"{READING}/{{id}}/images": acting(choosing.submit),
}
"""What takes a form by POST."""
