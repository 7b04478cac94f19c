"""What is said to people, in each language. English is in the code; a catalogue has the other languages' words for it.

The files `words/ROOM.LANGUAGE.json` hold English text and translation; they are read when a language is first spoken.
A text may have `{names}`, for which values stand in. What has no translation is said in English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import msgspec

from healix_fhir.kernel.language.spoken import ENGLISH, language

FILES = Path(__file__).parent / "words"
SENTENCE = 3
"""Words beside names, from which on a text is taken for a sentence."""
NAME = re.compile(r"\\\{(\w+)\\\}")
"""A name in a text that was escaped for a regular expression."""


@cache
def catalogue(code: str) -> Mapping[str, str]:
    """The words of a language by their English."""
    found: dict[str, str] = {}
    for file in sorted(FILES.glob(f"*.{code}.json")):
        found.update(msgspec.json.decode(file.read_bytes(), type=dict[str, str]))
    return MappingProxyType(found)


def say(text: str, **values: object) -> str:
    """`text`, written here in English, in the language of the request, with `values` for its names."""
    spoken = catalogue(language()).get(text, text) if language() != ENGLISH else text
    return spoken.format(**values) if values else spoken


def marked(text: str) -> str:
    """A text that is said elsewhere, as it stands: so that the check of the catalogues knows it."""
    return text


def counted(number: int, one: str, many: str, **values: object) -> str:
    """`one` thing or `many`, each text with the name `n`: as each of these languages tells one from several.

    French and Hindi say the singular of nothing, too. Spec: Unicode CLDR plural rules (one, other)
    """
    single = number == 1 or (number == 0 and language() in ("fr", "hi"))
    return say(one if single else many, n=number, **values)


def heard(text: str) -> str:
    """The message of an error, which was made in English somewhere below, with its values in it, as `say` has it."""
    if language() == ENGLISH:
        return text
    words = catalogue(language())
    if text in words:
        return words[text]
    for pattern, spoken in _patterns(language()):
        if found := pattern.fullmatch(text):
            return spoken.format(**{name: words.get(value, value) for name, value in found.groupdict().items()})
    return text


class Words(dict[str, str]):
    """A table of English texts by key, such as the states of a resource; looked up, it answers in the language of the
    request.
    """

    def __getitem__(self, key: str) -> str:
        return say(super().__getitem__(key))

    def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
        """The words for `key`, else `default`."""
        return say(super().get(key, default))


def _is_sentence(text: str) -> bool:
    return "<" not in text and sum("{" not in word for word in text.split()) >= SENTENCE


@cache
def _patterns(code: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """The sentences with names as patterns, the longest first, so that the one that says most is met.

    What is no sentence, such as `{first} to {last}`, would be met in anything.
    """
    named = sorted((one for one in catalogue(code) if "{" in one and _is_sentence(one)), key=len, reverse=True)
    made = []
    for text in named:
        pattern = NAME.sub(r"(?P<\1>.+?)", re.escape(text))
        if pattern.count("(?P<") == len(set(re.findall(r"\(\?P<(\w+)", pattern))):  # a name twice is no pattern
            made.append((re.compile(pattern, re.DOTALL), catalogue(code)[text]))
    return tuple(made)
