"""The addresses of the pages of images that are read and reported, each behind the gate."""

from __future__ import annotations

from collections.abc import Mapping

from healix_fhir.pages.reading import choosing, listing, pictures, results, writing
from healix_fhir.pages.reading.gate import PICTURE, READING, RESULTS, Handler, acting, showing

SHOWN: Mapping[str, Handler] = {
    READING: showing(listing.show),
    f"{READING}/{{id}}": showing(writing.show),
    f"{READING}/{{id}}/images": showing(choosing.show),
    PICTURE: showing(pictures.show, clinicians=False),
    RESULTS: showing(results.show, clinicians=False),
    f"{RESULTS}/{{id}}": showing(results.one, clinicians=False),
    f"{RESULTS}/{{id}}/pdf": showing(results.pdf, clinicians=False),
}
"""What is answered to GET."""
SENT: Mapping[str, Handler] = {
    READING: acting(listing.deal),
    f"{READING}/{{id}}": acting(writing.submit),
    f"{READING}/{{id}}/images": acting(choosing.submit),
}
"""What takes a form by POST."""
