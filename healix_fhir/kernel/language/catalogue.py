"""What is said to people, in each language. English is in the code; a catalogue has the other languages' words for it.

The files `words/ROOM.LANGUAGE.json` hold English text and translation; they are read when a language is first spoken.
A text may have `{names}`, for which values stand in. What has no translation is said in English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import msgspec

from healix_fhir.kernel.language.spoken import ENGLISH, language

FILES = Path(__file__).parent / "words"
SENTENCE = 3
"""Words beside names, from which on a text is taken for a sentence."""
NAME = re.compile(r"\{(\w+)\}")


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
        if values := pattern.values(text):
            return spoken.format(**{name: words.get(value, value) for name, value in values.items()})
    return text


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A sentence with `names` between its `literals`: each stands for one character or more."""

    literals: tuple[str, ...]
    names: tuple[str, ...]

    def values(self, text: str) -> dict[str, str] | None:
        """What stands for the names in `text`; None where it is another sentence.

        Each literal is taken where it comes first: when that does not fit, no later place does. So the time is linear
        in the text, which may quote what somebody sent; a regular expression would try all places of all of them.
        """
        first, *between, last = self.literals
        at, end = len(first), len(text) - len(last)
        if not text.startswith(first) or not text.endswith(last):
            return None
        values = []
        for literal in between:
            found = text.find(literal, at + 1, max(end, 0))
            if found < 0:
                return None
            values.append(text[at:found])
            at = found + len(literal)
        return dict(zip(self.names, (*values, text[at:end]), strict=True)) if at < end else None


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
def _patterns(code: str) -> tuple[tuple[_Pattern, str], ...]:
    """The sentences with names as patterns, the longest first, so that the one that says most is met.

    What is no sentence, such as `{first} to {last}`, would be met in anything.
    """
    named = sorted((one for one in catalogue(code) if "{" in one and _is_sentence(one)), key=len, reverse=True)
    made = []
    for text in named:
        literals, names = NAME.split(text)[::2], NAME.findall(text)
        if len(names) == len(set(names)):  # a name twice is no pattern
            made.append((_Pattern(tuple(literals), tuple(names)), catalogue(code)[text]))
    return tuple(made)
