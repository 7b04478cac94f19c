"""The trail has a meaning for every word that the program writes into it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from healix_fhir.interaction.trail.vocabulary import OTHERS, SENSES, sense
from tests.support.resources import REPOSITORY

PLACES = {"AuditRow": 2, "refused": 1, "Denial": 1}
"""By what is called, where the word stands among its arguments."""


def _words() -> Iterator[str]:
    for package in ("healix_fhir", "dicomweb", "smart_auth"):
        for path in (REPOSITORY / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Call):
                    yield from _word(node)


def _word(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    place = PLACES.get(name)
    if place is not None and len(call.args) > place:
        given = call.args[place]
        if isinstance(given, ast.Constant) and isinstance(given.value, str):
            yield given.value


def test_every_word_that_is_written_is_known() -> None:
    """No event is an application activity only because nobody said what it is."""
    written = set(_words())
    assert {"token", "A-ASSOCIATE", "peer"} <= written
    assert sorted(word for word in written if sense(word) is OTHERS or not word.strip()) == []


def test_words_of_addresses_are_those_of_what_they_do() -> None:
    """What is refused at an address has the word of what is given there."""
    from dicomweb.api.denial import WORDS
    from healix_fhir.api.interaction import INTERACTIONS

    assert {*WORDS.values(), *INTERACTIONS.values()} <= SENSES.keys()
