"""What is stored of a concept."""

from __future__ import annotations

from healix_fhir.terminology.content import Designation, Entry


def test_the_words_of_a_concept_are_bounded() -> None:
    """No more are stored than a tsvector takes."""
    names = tuple(Designation(" ".join(f"{n:060}" for n in range(at, at + 1000))) for at in range(0, 30000, 1000))
    assert 800_000 < len(Entry("a", designations=names).words) <= 900_000
