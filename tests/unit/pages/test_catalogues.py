"""The words of the pages in each language."""

from __future__ import annotations

import json
from functools import cache
from itertools import chain

import pytest

from healix_fhir.kernel.language.catalogue import FILES, catalogue
from healix_fhir.kernel.language.spoken import ENGLISH, LANGUAGES
from healix_fhir.pages.wording import unlike
from tests.support import spoken

OTHERS = [code for code in LANGUAGES if code != ENGLISH]


@cache
def wanted() -> dict[str, str]:
    """Each message that needs words, and where it stands."""
    return {
        message: where
        for where, message in chain(spoken.templates(), spoken.code(), spoken.tables(), spoken.refusals())
    }


@cache
def said() -> set[str]:
    """Each message that may be said."""
    return wanted().keys() | {text for _, text in chain(spoken.templates(), spoken.refusals(all_=True))}


@pytest.mark.parametrize("language", OTHERS)
def test_every_message_has_words(language: str) -> None:
    """What a template or a `say` holds is in the catalogue of each language."""
    missing = [f"{where}: {message}" for message, where in wanted().items() if message not in catalogue(language)]
    assert missing == []


@pytest.mark.parametrize("language", OTHERS)
def test_words_keep_the_names_and_tags_of_their_message(language: str) -> None:
    """A translation has the same `{names}` and tags as its English, and is not empty."""
    wrong = {text: found for text, words in catalogue(language).items() if (found := unlike(text, words))}
    assert wrong == {}
    assert [text for text, words in catalogue(language).items() if not words.strip()] == []


@pytest.mark.parametrize("language", OTHERS)
def test_no_words_are_left_over(language: str) -> None:
    """What nothing says any more is not kept."""
    assert sorted(catalogue(language).keys() - said()) == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_message_stands_in_one_file(language: str) -> None:
    """Two files never have words for the same message, which would hide one of them."""
    files = [json.loads(file.read_text(encoding="utf-8")) for file in FILES.glob(f"*.{language}.json")]
    assert sum(map(len, files)) == len(catalogue(language))
    assert all(list(one) == sorted(one) for one in files)
