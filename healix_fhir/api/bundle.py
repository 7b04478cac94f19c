"""A page of results as an answer: the Bundle is joined from stored bytes.

Spec: FHIR R4, hl7.org/fhir/R4/bundle.html, hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

import asyncio

from healix_fhir.api.call import Answer
from healix_fhir.interaction.page import encode_page
from healix_fhir.interaction.result import Page

MANY = 50


async def bundle(page: Page, base: str, path: str) -> Answer:
    """The answer whose links point to `path` below `base`; parts of many resources are cut in a thread."""
    if page.subset is not None and len(page.entries) > MANY:
        return Answer(200, await asyncio.to_thread(encode_page, page, base, path))
    return Answer(200, encode_page(page, base, path))
