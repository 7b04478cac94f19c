"""A page of results as an answer: the Bundle is joined from stored bytes, which are never parsed again.

Spec: FHIR R4, hl7.org/fhir/R4/bundle.html, hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

from healix_fhir.api.call import Answer
from healix_fhir.interaction.page import encode_page
from healix_fhir.interaction.result import Page


def bundle(page: Page, base: str, path: str) -> Answer:
    """The answer whose links point to `path` below `base`."""
    return Answer(200, encode_page(page, base, path))
