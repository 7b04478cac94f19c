"""When a RelatedPerson acts for its patient."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from healix_fhir.search.acting import acting

DAY, AFTER = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 2, 11, tzinfo=UTC)


@pytest.mark.spec("FHIR R4 relatedperson.html#resource")
@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, (None, None)),
        ({"active": True}, (None, None)),
        ({"active": False}, None),
        ({"active": False, "period": {"start": "2030-01-01"}}, None),
        ({"period": {"start": "2030-01-01"}}, (DAY, None)),
        ({"period": {"end": "2030-02-10"}}, (None, AFTER)),
        ({"period": {"start": "2030", "end": "2030-02-10"}}, (DAY, AFTER)),
    ],
)
def test_acting(elements: dict[str, Any], expected: tuple[datetime | None, datetime | None] | None) -> None:
    """It acts within its period, of which the last day counts, and never while it is not active."""
    assert acting({"resourceType": "RelatedPerson", "patient": {"reference": "Patient/p"}, **elements}) == expected
