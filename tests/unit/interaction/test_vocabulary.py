"""The trail has a meaning for every word that the program writes into it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from healix_fhir.interaction.trail.vocabulary import OTHERS, SENSES, sense
from tests.support.resources import REPOSITORY

PLACES = {"AuditRow": 2, "refused": 1, "Denial": 1}
"""By what is called, where the word stands among its arguments."""


def _words() -> Iterator[str]:
    texts = [
        path.read_text(encoding="utf-8")
        for package in ("healix_fhir", "dicomweb", "smart_auth")
        for path in (REPOSITORY / package).rglob("*.py")
    ]
    calling = [ast.parse(text) for text in texts if any(name in text for name in PLACES)]
    given = [(module, list(_given(module))) for module in calling]
    names = {word.id for _, words in given for word in words if isinstance(word, ast.Name)}
    begins = re.compile(rf"^(?:\w+ *= *)*(?:{'|'.join(names)}) *=", re.MULTILINE)
    naming = [ast.parse(text) for text in texts if begins.search(text)]  # parsing all takes most of the time
    named = {name: word for module in naming for name, word in _constants(module)}
    for module, words in given:
        own = named | dict(_constants(module))
        for word in words:
            if isinstance(word, ast.Constant) and isinstance(word.value, str):
                yield word.value
            elif isinstance(word, ast.Name) and word.id in own:
                yield own[word.id]


def _constants(module: ast.Module) -> Iterator[tuple[str, str]]:
    for line in module.body:
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str):
            yield from ((target.id, line.value.value) for target in line.targets if isinstance(target, ast.Name))


def _given(module: ast.Module) -> Iterator[ast.expr]:
    """Where a module writes words, what stands in their places: a word, or the name of a constant of this or another
    module.
    """
    for call in ast.walk(module):
        if isinstance(call, ast.Call):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            place = PLACES.get(name) if name != "refused" or isinstance(call.func, ast.Attribute) else None
            if place is not None and len(call.args) > place:
                yield call.args[place]


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
