"""What alerts know of where they are."""

from __future__ import annotations

from datetime import tzinfo

import msgspec

from healix_fhir.care.alerts.hours import Hours
from healix_fhir.kernel.language.spoken import ENGLISH


class Clinic(msgspec.Struct, frozen=True):
    """The FHIR base URLs, the zone of the clocks, when people are told of what can wait (None: always), and the
    language of who chose none.
    """

    bases: tuple[str, ...]
    zone: tzinfo
    hours: Hours | None = None
    language: str = ENGLISH
