"""What is written in documents, in each language."""

from __future__ import annotations

import re

import pytest

from healix_fhir.care.reports.printable import BREAK, printable
from healix_fhir.care.reports.words import FILES, LANGUAGES, language_of, words
from healix_fhir.kernel.errors import HealixError

TOPICS = sorted({file.name.partition(".")[0] for file in FILES.glob("*.json")})
PLACE = re.compile(r"{\w+}")


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_words(topic: str, language: str) -> None:
    """Every language has every word, with the same places for values, in characters that the fonts have."""
    english, found = words(topic, "en"), words(topic, language)
    assert found.keys() == english.keys()
    for name, text in found.items():
        assert sorted(PLACE.findall(text)) == sorted(PLACE.findall(english[name])), name
        assert printable(text).replace(BREAK, "") == text, name


def test_languages() -> None:
    """A language is known by its first subtag; another one is refused by name."""
    assert [language_of(one) for one in (None, "de-AT", "HI")] == ["en", "de", "hi"]
    with pytest.raises(HealixError, match="'tlh' is not supported; en, de"):
        language_of("tlh")
