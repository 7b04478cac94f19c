"""Malformed requests without end, each the same for the same seed: what is generated breaks a rule in every case.

A maker gets a source of chance and gives a `Sent`. Whatever it starts from is valid; what it does to it never is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from tests.support.resources import condition, encounter, observation, organization, patient, practitioner

JSON, XML, FORM = "application/fhir+json", "application/fhir+xml", "application/x-www-form-urlencoded"
T = TypeVar("T")
KNOWN = "known"
"""The id of a Patient that is there."""
RESOURCES = (patient, observation, encounter, condition, organization, practitioner)


@dataclass(frozen=True)
class Sent:
    """One request below `/fhir`."""

    method: str
    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Maker = Callable[[Random], Sent]


def pick(chance: Random, *ways: Callable[[], T]) -> T:
    """What one of `ways` makes."""
    return chance.choice(ways)()


def resource(chance: Random) -> dict[str, Any]:
    """A valid resource."""
    return chance.choice(RESOURCES)()


def written(chance: Random, body: bytes, type_name: str, content_type: str) -> Sent:
    """A create or update of `body`."""
    headers = {"content-type": content_type}
    if chance.random() < 0.3:
        return Sent("PUT", f"{type_name}/{chance.choice([KNOWN, 'new-one'])}", body, headers)
    return Sent("POST", type_name, body, headers)
