"""The parameter `date` of terminology operations: the present is the only date that definitions are used as of.

Spec: FHIR R4, hl7.org/fhir/R4/codesystem-operation-lookup.html, hl7.org/fhir/R4/valueset-operation-expand.html
"""

from __future__ import annotations

from datetime import timedelta

from healix_fhir.kernel import clock
from healix_fhir.kernel.errors import invalid
from healix_fhir.operation.given import Given
from healix_fhir.search.dates import interval

MARGIN = timedelta(days=1)
"""Where the caller is, today may be another day."""


def check_date(given: Given) -> None:
    """Refuse (Invalid) another date than the present."""
    text = given.text("date")
    if text is None:
        return
    covered, now = interval(text), clock.now()
    if covered is not None:
        begin, end = covered
        if (begin is None or begin <= now + MARGIN) and (end is None or end >= now - MARGIN):
            return
    raise invalid("date: definitions are used as they are now, not as of another date", code="not-supported")
