"""When a RelatedPerson may act for its patient.

Spec: FHIR R4, hl7.org/fhir/R4/relatedperson.html
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from healix_fhir.search.dates import interval


def acting(related: dict[str, Any]) -> tuple[datetime | None, datetime | None] | None:
    """From when until when: within its period, whose last day counts; None while it is not active.

    What the relationship is called opens and closes nothing: who links an account to it has looked at that.
    """
    if related.get("active") is False:
        return None
    period = related.get("period", {})
    begins, ends = interval(period.get("start", "")), interval(period.get("end", ""))
    return begins[0] if begins else None, ends[1] if ends else None
