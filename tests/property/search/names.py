"""People with random names and addresses, and searches for these."""

from __future__ import annotations

from random import Random

from tests.property.search.question import Json, Question
from tests.property.search.words import string_question, written

NAMES = ("text", "family", "given", "prefix", "suffix")
PARTS = ("text", "line", "city", "district", "state", "postalCode", "country")
REPEATING = ("given", "prefix", "suffix", "line")
PARAMETERS = {
    "family": ("name.family",),
    "given": ("name.given",),
    "name": tuple(f"name.{part}" for part in NAMES),
    "address": tuple(f"address.{part}" for part in PARTS),
    "address-city": ("address.city",),
}


def _made_of(random: Random, parts: tuple[str, ...], known: list[str]) -> Json:
    value: Json = {}
    for part in random.sample(parts, random.randint(1, 3)):
        texts = [written(random) for _ in range(random.randint(1, 2))]
        known += texts
        value[part] = texts if part in REPEATING else texts[0]
    return value


def names(random: Random, known: list[str]) -> Json:
    """A person's names and addresses; `known` gets their texts."""
    elements: Json = {}
    for element, parts in (("name", NAMES), ("address", PARTS)):
        if values := [_made_of(random, parts, known) for _ in range(random.randint(0, 2))]:
            elements[element] = values
    return elements


def name_question(random: Random, known: list[str]) -> Question:
    """A search for a person by name or address."""
    name = random.choice(list(PARAMETERS))
    return string_question(random, "Patient", name, PARAMETERS[name], known)
