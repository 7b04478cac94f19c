"""Observations and people with random codes, and searches for these by every token parameter of theirs."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.property.search.codes import (
    CODES,
    Coded,
    Values,
    coding,
    concept,
    identifier,
    of_codings,
    of_concepts,
    of_identifiers,
    of_type_question,
    text_question,
    token_question,
)
from tests.property.search.question import Json, Question, at

GENDER = "http://hl7.org/fhir/administrative-gender"
GENDERS = ("male", "female")


def coded_observation(random: Random) -> Json:
    """The codes of an Observation, where it may have them."""
    optional: dict[str, Callable[[], object]] = {
        "category": lambda: [concept(random) for _ in range(random.randint(1, 2))],
        "valueCodeableConcept": lambda: concept(random),
        "identifier": lambda: [identifier(random) for _ in range(random.randint(1, 2))],
        "component": lambda: [
            {"code": concept(random)} | ({"valueCodeableConcept": concept(random)} if random.random() < 0.5 else {})
            for _ in range(random.randint(1, 2))
        ],
        "meta": lambda: {"tag": [coding(random)], "security": [coding(random)]},
    }
    some = {name: make() for name, make in optional.items() if random.random() < 0.6}
    return {"status": "final", "code": concept(random)} | some


def coded_person(random: Random) -> Json:
    """What a person has that is no concept: identifiers, contacts, a gender, whether the record is in use."""
    optional: dict[str, Callable[[], object]] = {
        "identifier": lambda: [identifier(random) for _ in range(random.randint(1, 2))],
        "telecom": lambda: [{"system": random.choice(["phone", "email"]), "value": random.choice(CODES)}],
        "gender": lambda: random.choice(GENDERS),
        "active": lambda: random.choice([True, False]),
    }
    return {name: make() for name, make in optional.items() if random.random() < 0.7}


def _at(*paths: str, read: Callable[[list[Json]], list[Coded]] = of_concepts) -> Values:
    return lambda resource: read([found for path in paths for found in at(resource, path)])


OBSERVATION: dict[str, Values] = {
    "code": _at("code"),
    "category": _at("category"),
    "value-concept": _at("valueCodeableConcept"),
    "component-code": _at("component.code"),
    "combo-code": _at("code", "component.code"),
    "component-value-concept": _at("component.valueCodeableConcept"),
    "identifier": _at("identifier", read=of_identifiers),
    "_tag": _at("meta.tag", read=of_codings),
    "_security": _at("meta.security", read=of_codings),
}
PERSON: dict[str, Values] = {
    "identifier": _at("identifier", read=of_identifiers),
    "telecom": lambda r: [(one["system"], one["value"]) for one in at(r, "telecom")],
    "phone": lambda r: [(one["system"], one["value"]) for one in at(r, "telecom") if one["system"] == "phone"],
}


def _texts(concepts: str, identifiers: str = "") -> Callable[[Json], list[str]]:
    def read(resource: Json) -> list[str]:
        return [
            text
            for path in (concepts, f"{identifiers}.type" if identifiers else "")
            for value in (at(resource, path) if path else ())
            for text in (*at(value, "text"), *(at(value, "coding.display") if path == concepts else ()))
        ]

    return read


TEXTS: dict[str, Callable[[Json], list[str]]] = {
    "code": _texts("code"),
    "category": _texts("category"),
    "value-concept": _texts("valueCodeableConcept"),
    "component-code": _texts("component.code"),
    "combo-code": lambda r: _texts("code")(r) + _texts("component.code")(r),
    "identifier": _texts("", "identifier"),
    "_tag": lambda r: list(at(r, "meta.tag.display")),
}


def _plain_code(random: Random) -> Question:
    """Codes and booleans, whose system is not written beside them."""
    gender, system = random.choice(GENDERS), random.choice([GENDER, "urn:s"])
    active = random.choice(["true", "false"])
    return random.choice(
        [
            Question("Patient", "gender", gender, lambda r: r.get("gender") == gender),
            Question("Patient", "gender", gender.upper(), lambda r: r.get("gender") == gender),
            Question(
                "Patient", "gender", f"{system}|{gender}", lambda r: r.get("gender") == gender and system == GENDER
            ),
            Question("Patient", "gender", f"{system}|", lambda r: "gender" in r and system == GENDER),
            Question("Patient", "gender:not", gender, lambda r: r.get("gender") != gender),
            Question("Patient", "active", active, lambda r: r.get("active") == (active == "true")),
            Question("Patient", "active:not", active, lambda r: r.get("active") != (active == "true")),
        ]
    )


def known_texts(resources: list[Json]) -> list[str]:
    """The texts beside codes."""
    return [text for resource in resources for read in TEXTS.values() for text in read(resource)]


def coded_question(random: Random, known: list[str]) -> Question:
    """A search for Observations or people by tokens; `known` are texts beside codes."""
    match random.randrange(8):
        case 0:
            return _plain_code(random)
        case 1:
            type_name = random.choice(["Patient", "Observation"])
            return of_type_question(random, type_name, "identifier", lambda r: list(at(r, "identifier")))
        case 2:
            name = random.choice(list(TEXTS))
            return text_question(random, "Observation", name, TEXTS[name], known)
        case 3:
            name = random.choice(list(PERSON))
            return token_question(random, "Patient", name, PERSON[name])
        case _:
            name = random.choice(list(OBSERVATION))
            return token_question(random, "Observation", name, OBSERVATION[name])
