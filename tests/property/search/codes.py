"""Random coded values in resources, and searches for them with a naive reading of the page on tokens.

A resource's values are told as a list of (system, code, texts); None where a value has no such part.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeAlias

from tests.property.search.question import Json, Question, as_test, escaped
from tests.property.search.words import part, plain, written

UCUM = "http://unitsofmeasure.org"
SYSTEMS = ("urn:s", "urn:t|x", UCUM)
"""Of the last alone a code system tells that case counts."""
CODES = ("a", "b", "B", "a|b", "a,b", "a\\b", "$", "Straße", "STRASSE", "a  b")
TYPES = ("MR", "mr", "DL")

Coded: TypeAlias = tuple[str | None, str | None]
Values = Callable[[Json], list[Coded]]


def coding(random: Random) -> Json:
    """A Coding, of which something may be missing."""
    value: Json = {}
    if random.random() < 0.8:
        value["code"] = random.choice(CODES)
    if random.random() < 0.7:
        value["system"] = random.choice(SYSTEMS)
    if random.random() < 0.4 or not value:
        value["display"] = written(random)
    return value


def concept(random: Random) -> Json:
    """A CodeableConcept with up to two codings, with or without a text."""
    codings = [coding(random) for _ in range(random.randint(0, 2))]
    value: Json = {"coding": codings} if codings else {}
    return value | ({"text": written(random)} if random.random() < 0.3 or not value else {})


def identifier(random: Random) -> Json:
    """An Identifier, of which something may be missing."""
    value: Json = {"value": random.choice(CODES)} if random.random() < 0.8 else {}
    if random.random() < 0.6 or not value:
        value["system"] = random.choice(SYSTEMS)
    if random.random() < 0.6:
        codings = [{"system": random.choice(SYSTEMS), "code": random.choice(TYPES)} for _ in range(2)]
        value["type"] = {"coding": codings} | ({"text": written(random)} if random.random() < 0.5 else {})
    return value


def of_codings(codings: list[Json]) -> list[Coded]:
    """What codings say."""
    return [(one.get("system"), one.get("code")) for one in codings]


def of_concepts(concepts: list[Json]) -> list[Coded]:
    """What concepts say."""
    return of_codings([one for value in concepts for one in value.get("coding", ())])


def of_identifiers(identifiers: list[Json]) -> list[Coded]:
    """What identifiers say."""
    return [(one.get("system"), one.get("value")) for one in identifiers]


def same_code(system: str | None, one: str, other: str) -> bool:
    """Whether two codes are the same: case does not count unless the code system of both is known to tell it apart."""
    return one == other if system == UCUM else one.casefold() == other.casefold()


def token_question(random: Random, type_name: str, name: str, values: Values) -> Question:
    """A search for `code`, `|code`, `system|code` or `system|`, or for what has no such value.

    Spec: FHIR R4, hl7.org/fhir/R4/search.html#token
    """
    system, code = random.choice(SYSTEMS), random.choice(CODES)
    forms: dict[str, Callable[[Coded], bool]] = {
        escaped(code): lambda v: v[1] is not None and same_code(None, v[1], code),
        f"|{escaped(code)}": lambda v: v[0] is None and v[1] is not None and same_code(None, v[1], code),
        f"{escaped(system)}|{escaped(code)}": lambda v: (
            v[0] == system and v[1] is not None and same_code(system, v[1], code)
        ),
        f"{escaped(system)}|": lambda v: v[0] == system,
    }
    value = random.choice(list(forms))
    matches = forms[value]
    if random.random() < 0.25:
        return Question(
            type_name,
            f"{name}:not",
            value,
            lambda r: not any(matches(one) for one in values(r)),
            as_test(name, "ne", value),
        )
    return Question(
        type_name, name, value, lambda r: any(matches(one) for one in values(r)), as_test(name, "eq", value)
    )


def of_type_question(random: Random, type_name: str, name: str, identifiers: Callable[[Json], list[Json]]) -> Question:
    """A search for an identifier's value together with its type.

    Spec: FHIR R4, hl7.org/fhir/R4/search.html#modifiers (of-type)
    """
    system, code, value = random.choice(SYSTEMS), random.choice(TYPES), random.choice(CODES)

    def matches(one: Json) -> bool:
        return (
            "value" in one
            and one["value"].casefold() == value.casefold()
            and any(
                type_["system"] == system and same_code(system, type_["code"], code)
                for type_ in one.get("type", {}).get("coding", ())
            )
        )

    return Question(
        type_name,
        f"{name}:of-type",
        "|".join(map(escaped, (system, code, value))),
        lambda r: any(matches(one) for one in identifiers(r)),
    )


def text_question(
    random: Random, type_name: str, name: str, texts: Callable[[Json], list[str]], known: list[str]
) -> Question:
    """A search for how a text beside a code starts.

    Spec: FHIR R4, hl7.org/fhir/R4/search.html#modifiers (text)
    """
    asked = part(random, known)
    return Question(
        type_name,
        f"{name}:text",
        escaped(asked),
        lambda r: any(plain(found).startswith(plain(asked)) for found in texts(r)),
    )
