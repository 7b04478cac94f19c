"""Random texts, each beside what is left of it without case, accents and punctuation: by a table, letter by letter."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from tests.property.search.question import Json, Question, as_test, at, escaped

PLAIN = {
    "a": "a",
    "A": "a",
    "á": "a",
    "Å": "a",
    "a\u0301": "a",
    "b": "b",
    "B": "b",
    "ö": "o",
    "Ø": "o",
    "ß": "ss",
    "ﬁ": "fi",
    "Я": "я",
    "я": "я",
    "李": "李",
    "7": "7",
}
"""How a letter is compared."""
MARKS = {"-": "", "'": "", ".": "", ",": "", "|": "", "\\": "", "…": "", " ": " ", "  ": " ", "\t": " "}
KEPT = {"|": "|", "$": "$", "+": "+"}
"""Signs that are no punctuation, but symbols."""
SIGNS = MARKS | KEPT


def text(random: Random) -> list[str]:
    """The pieces of a text, a letter among them."""
    letters = random.choices(list(PLAIN), k=random.randint(1, 4))
    return [piece for letter in letters for piece in (*_sign(random), letter)] + _sign(random)


def _sign(random: Random) -> list[str]:
    return [random.choice(list(SIGNS))] if random.random() < 0.25 else []


def plain(pieces: str | list[str]) -> str:
    """What is left to compare."""
    found = list(_pieces(pieces)) if isinstance(pieces, str) else pieces
    return " ".join("".join((PLAIN | SIGNS)[piece] for piece in found).split())


def _pieces(text: str) -> Iterator[str]:
    """The pieces that a text was made of."""
    for n, letter in enumerate(text):
        if letter == "\u0301":
            continue
        yield letter + "\u0301" if text[n + 1 : n + 2] == "\u0301" else letter


def written(random: Random) -> str:
    """A text as a resource holds it."""
    return "".join(text(random)).strip() or "a"


def part(random: Random, known: list[str]) -> str:
    """Something to search for: mostly a part of a text that is known, else another text."""
    if not known or random.random() < 0.2:
        return written(random)
    pieces = list(_pieces(random.choice(known)))
    start = random.choice([0, 0, 0, random.randrange(len(pieces))])
    found = pieces[start : start + random.randint(1, 5)]
    return "".join(_other_way(random, piece) for piece in found) if plain(found) else written(random)


def _other_way(random: Random, piece: str) -> str:
    """The same letter in another case or with another accent, or as it is."""
    same = [letter for letter, meant in PLAIN.items() if meant == PLAIN.get(piece)]
    return random.choice(same) if same and random.random() < 0.4 else piece


def string_question(random: Random, type_name: str, name: str, paths: tuple[str, ...], known: list[str]) -> Question:
    """A search for a string: how it starts, a part of it, or all of it to the letter.

    Spec: FHIR R4, hl7.org/fhir/R4/search.html#string
    """
    asked = part(random, known)

    def texts(resource: Json) -> list[str]:
        return [found for path in paths for found in at(resource, path)]

    match random.choice(["", ":contains", ":exact"]):
        case ":exact":
            asked = random.choice([asked, *known])
            return Question(type_name, f"{name}:exact", escaped(asked), lambda r: asked in texts(r))
        case ":contains":
            return Question(
                type_name,
                f"{name}:contains",
                escaped(asked),
                lambda r: any(plain(asked) in plain(found) for found in texts(r)),
                as_test(name, "co", escaped(asked)),
            )
        case _:
            return Question(
                type_name,
                name,
                escaped(asked),
                lambda r: any(plain(found).startswith(plain(asked)) for found in texts(r)),
                as_test(name, "sw", escaped(asked)),
            )
