"""Observations that refer to others at random, and searches for whom they refer to."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.property.search.pointers import identifier_question, reference, reference_question, text_question
from tests.property.search.question import Json, Question, at

SUBJECTS = ("Patient", "Group", "Device", "Location")
PERFORMERS = ("Practitioner", "PractitionerRole", "Organization", "CareTeam", "Patient", "RelatedPerson")
PARAMETERS = {"subject": SUBJECTS, "performer": PERFORMERS, "patient": ("Patient",)}


def references(random: Random) -> Json:
    """The subject and performers of an Observation, or none."""
    elements: Json = {}
    if random.random() < 0.8:
        elements["subject"] = reference(random, SUBJECTS)
    if performers := [reference(random, PERFORMERS) for _ in range(random.randint(0, 3))]:
        elements["performer"] = performers
    return elements


def known_texts(resources: list[Json]) -> list[str]:
    """The texts beside references."""
    return [text for r in resources for name in ("subject", "performer") for text in at(r, f"{name}.display")]


def _values(name: str) -> Callable[[Json], list[Json]]:
    """The references of a parameter; of `patient` those that name a Patient, here or elsewhere."""
    if name == "patient":
        return lambda r: [one for one in at(r, "subject") if "Patient/" in one.get("reference", "")]
    return lambda r: list(at(r, name))


def referring_question(random: Random, known: list[str]) -> Question:
    """A search for Observations by whom they refer to."""
    name = random.choice(list(PARAMETERS))
    values = _values(name)
    if name != "patient" and random.random() < 0.4:
        if random.random() < 0.5:
            return identifier_question(random, "Observation", name, values)
        return text_question(random, "Observation", name, values, known)
    return reference_question(random, "Observation", name, PARAMETERS[name], values)
