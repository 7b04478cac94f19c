"""What is written in documents that is not anybody's data, in each language."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import msgspec

from healix_fhir.kernel.errors import unsupported

LANGUAGES: Mapping[str, str] = MappingProxyType(
    {"en": "English", "de": "Deutsch", "es": "Español", "fr": "Français", "hi": "हिन्दी"}
)
"""The languages by their codes, each called as its speakers do. Spec: BCP 47"""
FILES = Path(__file__).parent / "words"


@cache
def words(topic: str, language: str) -> Mapping[str, str]:
    """The words of a topic in a language, by name. `frame` has those of all documents: dates, states, what is known of
    a patient; every kind of document has a topic of its own.
    """
    file = FILES / f"{topic}.{language}.json"
    return MappingProxyType(msgspec.json.decode(file.read_bytes(), type=dict[str, str]))


def language_of(asked: str | None) -> str:
    """The language for what was asked for, such as `de-AT`. Raises Unsupported by name."""
    language = (asked or "en").partition("-")[0].lower()
    if language not in LANGUAGES:
        raise unsupported(f"the language '{(asked or '')[:35]}' is not supported; {', '.join(LANGUAGES)} are")
    return language
