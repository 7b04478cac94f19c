"""What is told of an index that an older version has made."""

from __future__ import annotations

from healix_fhir.search.reindex import VERSION
from healix_fhir.search.wholeness import MADE


def test_every_version_says_what_it_was_the_first_to_make() -> None:
    """The table ends with the version of now: whoever raises it adds a line."""
    assert sorted(MADE) == [*range(1, VERSION + 1)]
