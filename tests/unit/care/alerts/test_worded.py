"""What the server calls alert rules, for readers of each language."""

from __future__ import annotations

from decimal import Decimal

import pytest

from healix_fhir.care.alerts.worded import UNACKNOWLEDGED, limit, worded
from healix_fhir.kernel.language.spoken import LANGUAGES, speaking
from healix_fhir.pages.measures import MEASURES


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["above", "below"])
def test_limits_are_said_in_each_language(language: str, kind: str) -> None:
    """The name of a limit that the form makes is said anew for each measure, with its value and unit."""
    for measure in MEASURES.values():
        title = limit(measure.title, kind, Decimal("7.5"), measure.unit.shown)
        with speaking(language):
            said = worded(title)
        assert (said == title) == (language == "en")
        assert "7.5" in said


def test_what_people_wrote_stays() -> None:
    """A title of their own stays as it is, whatever it looks like; what those read who are told again does not."""
    with speaking("de"):
        assert worded("Grandma above 120 /min") == "Grandma above 120 /min"
        assert worded("Blood pressure, please look") == "Blood pressure, please look"
        assert worded(UNACKNOWLEDGED) == "Diese Warnung hat noch niemand bestätigt"
