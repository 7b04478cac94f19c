"""The trail has a meaning for every word that the program writes into it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from healix_fhir.interaction.trail.vocabulary import OTHERS, SENSES, sense
from tests.support.resources import REPOSITORY

PLACES = {"AuditRow": 2, "refused": 1, "Denial": 1}
"""By what is called, where the word stands among its arguments."""


def _words() -> Iterator[str]:
    modules = [
        ast.parse(path.read_bytes())
        for package in ("healix_fhir", "dicomweb", "smart_auth")
        for path in (REPOSITORY / package).rglob("*.py")
    ]
    named = {name: word for module in modules for name, word in _constants(module)}
    for module in modules:
        own = named | dict(_constants(module))
        for node in ast.walk(module):
            if isinstance(node, ast.Call):
                yield from _word(node, own)


def _constants(module: ast.Module) -> Iterator[tuple[str, str]]:
    for line in module.body:
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str):
            yield from ((target.id, line.value.value) for target in line.targets if isinstance(target, ast.Name))


def _word(call: ast.Call, constants: dict[str, str]) -> Iterator[str]:
    """The word of a call that writes one, where it stands there or in a constant of this or another module."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    place = PLACES.get(name) if name != "refused" or isinstance(call.func, ast.Attribute) else None
    if place is not None and len(call.args) > place:
        given = call.args[place]
        if isinstance(given, ast.Constant) and isinstance(given.value, str):
            yield given.value
        elif isinstance(given, ast.Name) and given.id in constants:
            yield constants[given.id]


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
