"""Values of parameters that have a form of their own: `near` and `phonetic`.

Spec: FHIR R4, hl7.org/fhir/R4/location.html#positional, hl7.org/fhir/R4/patient.html#search
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import pi

from healix_fhir.model.ucum.canonical import canonical
from healix_fhir.search import tokens
from healix_fhir.search.asked import Asked
from healix_fhir.search.circle import RADIUS, Circle
from healix_fhir.search.nodes import And, Near, Node, Or, Token
from healix_fhir.search.precision import NUMBER
from healix_fhir.search.sounds import sounds
from healix_fhir.search.values import split, unescape

NEARBY = "10"
"""How many kilometres are near where no distance is given: R4 leaves that to the server."""
WORDS = 20
POSITION = "of the form latitude|longitude|distance|unit, in degrees and a unit of length (km if it is left out)"


def near(asked: Asked, value: str) -> Node:
    """`latitude|longitude`, with a distance and its unit (kilometres where there is none)."""
    if asked.modifier:
        raise asked.bad_modifier()
    parts = [unescape(part) for part in split(value, "|")]
    if not 2 <= len(parts) <= 4:
        raise asked.bad_value(value, POSITION)
    latitude, longitude, distance, unit = (*parts, *("", "", "")[: 4 - len(parts)])
    numbers = [latitude, longitude, distance or NEARBY]
    if not all(NUMBER.fullmatch(number) for number in numbers):
        raise asked.bad_value(value, POSITION)
    length = canonical(Decimal(numbers[2]), unit or "km")
    here = (float(latitude), float(longitude))
    if length is None or length[1] != "m" or length[0] < 0 or abs(here[0]) > 90 or abs(here[1]) > 180:
        raise asked.bad_value(value, POSITION)
    return Near(asked.parameter.id, Circle(*here, min(float(length[0]), pi * RADIUS)))


def phonetic(asked: Asked, value: str) -> Node:
    """Every word of the value sounds like one of the name."""
    if asked.modifier:
        raise asked.bad_modifier()
    words = sounds(unescape(value))
    if not 0 < len(words) <= WORDS:
        raise asked.bad_value(value, f"a name of at most {WORDS} words")
    alike = [Or(tuple(Token(tokens.sound(asked.parameter.id, code)) for code in codes)) for codes in words]
    return alike[0] if len(alike) == 1 else And(tuple(alike))


NAMED: Mapping[str, Callable[[Asked, str], Node]] = {
    "http://hl7.org/fhir/SearchParameter/Location-near": near,
    "http://hl7.org/fhir/SearchParameter/InsurancePlan-phonetic": phonetic,
    "http://hl7.org/fhir/SearchParameter/Organization-phonetic": phonetic,
    "http://hl7.org/fhir/SearchParameter/individual-phonetic": phonetic,
}
"""What reads a value, by the URL of the parameter's definition."""
