"""How much two Patients are alike: the weight of what agrees and of what does not, and what follows from it.

Each part of a Patient speaks for or against: the logarithm (base 2) of how much more often it agrees so in two records
of one person than in those of two. The weights are added to that of two records at random being of one person; the sum
is a probability, which is the score. Beside it stand rules by which a match is certain: no sum of small things is.

Spec: FHIR R4, hl7.org/fhir/R4/patient-operation-match.html; Fellegi and Sunter, A Theory for Record Linkage (1969)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import jellyfish

Json = Mapping[str, Any]
AT_RANDOM = -13.0
"""Two records of a clinic's ten thousand: one in so many pairs is of one person."""
SPELT, ALIKE = 0.92, 0.85
"""From which Jaro-Winkler similarity on a name is another spelling, and from which it may be one."""
PROBABLE, POSSIBLE = 0.9, 0.1
"""The least scores of these grades."""
DIGITS = 7
"""The last digits of a telephone number, which tell one from others however it is written."""

WORDS, LONGEST = 20, 100
"""Words of family or given names that are compared, each with each, and how much of them."""


class Grade(StrEnum):
    """Spec: FHIR R4, hl7.org/fhir/R4/extension-match-grade.html"""

    CERTAIN = "certain"
    PROBABLE = "probable"
    POSSIBLE = "possible"
    NOT = "certainly-not"


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of two Patients says: its weight, and whether it agrees (None where one of them has none)."""

    weight: float = 0.0
    agrees: bool | None = None
    exact: bool = False


NOTHING = Part()


@dataclass(frozen=True, slots=True)
class Likeness:
    """What is known of two Patients being one."""

    score: Decimal
    grade: Grade


def likeness(asked: Json, known: Json) -> Likeness:
    """How much a stored Patient is like the one that is asked for."""
    identifier, family, given = _identifiers(asked, known), _family(asked, known), _given(asked, known)
    born, gender = _born(asked, known), _gender(asked, known)
    contact, home = _contact(asked, known), _home(asked, known)
    weight = AT_RANDOM + sum(one.weight for one in (identifier, family, given, born, gender, contact, home))
    probability = 1 / (1 + 2**-weight)
    score = Decimal(f"{probability:.4f}")
    by_number = identifier.agrees and (born.agrees or family.agrees) and False not in (born.agrees, family.agrees)
    by_facts = (
        family.exact and given.exact and born.exact and gender.agrees is not False and (contact.agrees or home.agrees)
    )
    if by_number or by_facts:
        return Likeness(max(score, Decimal("0.99")), Grade.CERTAIN)
    score = min(score, Decimal("0.9899"))
    if probability >= PROBABLE:
        return Likeness(score, Grade.PROBABLE)
    return Likeness(score, Grade.POSSIBLE if probability >= POSSIBLE else Grade.NOT)


def _identifiers(asked: Json, known: Json) -> Part:
    """One in common speaks for it; another value in the same system against it, since a system gives one to each."""
    ours, theirs = _pairs(asked), _pairs(known)
    if ours & (theirs | _pairs(known, old=True)):
        return Part(14, agrees=True)  # also with the number of a record that was merged
    if {system for system, _ in ours} & {system for system, _ in theirs}:
        return Part(-3, agrees=False)
    return NOTHING


def _pairs(patient: Json, *, old: bool = False) -> set[tuple[str, str]]:
    return {
        (one.get("system", ""), one["value"].strip().casefold())
        for one in patient.get("identifier", ())
        if isinstance(one.get("value"), str) and (one.get("use") == "old") is old
    }


def _family(asked: Json, known: Json) -> Part:
    ours, theirs = _names(asked, "family"), _names(known, "family")
    found = _best(ours, theirs)
    if found is None:
        return NOTHING
    if found < ALIKE and (_best(ours, _names(known, "given")) or 0) >= SPELT:
        return Part(3, agrees=True)  # family and given name in each other's place
    return _of_name(found, (6, 4, 3, -4))


def _given(asked: Json, known: Json) -> Part:
    ours, theirs = _names(asked, "given"), _names(known, "given")
    found = _best(ours, theirs)
    if found is None:
        return NOTHING
    if found < ALIKE and {one[0] for one in ours if len(one) == 1} & {one[0] for one in theirs}:
        return Part(1, agrees=True)  # an initial
    if found < ALIKE and (_best(ours, _names(known, "family")) or 0) >= SPELT:
        return Part(1, agrees=True)
    return _of_name(found, (4, 2, 1, -4))


def _of_name(similarity: float, weights: tuple[float, float, float, float]) -> Part:
    if similarity == 1:
        return Part(weights[0], agrees=True, exact=True)
    if similarity >= SPELT:
        return Part(weights[1], agrees=True)
    return Part(weights[2], agrees=True) if similarity >= ALIKE else Part(weights[3], agrees=False)


def _best(ours: Iterable[str], theirs: Iterable[str]) -> float | None:
    others = list(theirs)
    return max((_similarity(one, other) for one in ours for other in others), default=None)


def _similarity(one: str, other: str) -> float:
    """That of their letters; names that sound alike are alike however they are spelt."""
    spelt = jellyfish.jaro_winkler_similarity(one, other)
    if spelt < ALIKE and (sound := jellyfish.metaphone(one)) and sound == jellyfish.metaphone(other):
        return ALIKE
    return spelt


def _names(patient: Json, key: str) -> list[str]:
    """The words of names, folded; hyphens part them, so that either half of a double name is found."""
    found: dict[str, None] = {}
    for name in patient.get("name", ()):
        values = name.get(key, ())
        for value in [values] if isinstance(values, str) else values:
            if isinstance(value, str):
                whole = folded(value[:LONGEST])[:LONGEST]
                found |= dict.fromkeys(word for word in (whole, *re.split(r"[\s-]+", whole)) if word)
            if len(found) >= WORDS:
                return list(found)[:WORDS]
    return list(found)


def folded(text: str) -> str:
    """A name without case and accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c)).strip()


def _born(asked: Json, known: Json) -> Part:
    """The same day; a part of it where one tells no more; a slip of one digit, or day and month exchanged."""
    ours, theirs = asked.get("birthDate"), known.get("birthDate")
    if not isinstance(ours, str) or not isinstance(theirs, str):
        return NOTHING
    if ours == theirs:
        return Part(8 if len(ours) == 10 else 4, agrees=True, exact=len(ours) == 10)
    if ours.startswith(theirs) or theirs.startswith(ours):
        return Part(3, agrees=True)
    slips = sum(a != b for a, b in zip(ours, theirs, strict=False))
    if len(ours) == len(theirs) and (slips == 1 or theirs == exchanged(ours)):
        return Part(3)
    return Part(-8, agrees=False)


def exchanged(date: str) -> str:
    """A date with day and month in each other's place."""
    year, *rest = date.split("-")
    return "-".join([year, *reversed(rest)])


def _gender(asked: Json, known: Json) -> Part:
    ours, theirs = asked.get("gender"), known.get("gender")
    if None in (ours, theirs) or "unknown" in (ours, theirs):
        return NOTHING
    return Part(1, agrees=True) if ours == theirs else Part(-3, agrees=False)


def _contact(asked: Json, known: Json) -> Part:
    ours, theirs = set(contacts(asked)), set(contacts(known))
    if not ours or not theirs:
        return NOTHING
    return Part(5, agrees=True) if ours & theirs else Part(-0.5, agrees=False)


def contacts(patient: Json) -> Iterable[str]:
    """Mail addresses, and the last digits of telephone numbers."""
    for one in patient.get("telecom", ()):
        value = one.get("value")
        if not isinstance(value, str):
            continue
        if one.get("system") == "email":
            yield value.strip().casefold()
        elif len(digits := re.sub(r"\D", "", value)) >= DIGITS:
            yield digits[-DIGITS:]


def _home(asked: Json, known: Json) -> Part:
    """The same postal code, or the same street in the same town."""
    ours, theirs = _homes(asked), _homes(known)
    if not ours or not theirs:
        return NOTHING
    return Part(3, agrees=True) if ours & theirs else Part(-0.5, agrees=False)


def _homes(patient: Json) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for one in patient.get("address", ()):
        if isinstance(code := one.get("postalCode"), str):
            found.add((re.sub(r"\s", "", code.casefold()),))
        lines, city = one.get("line", ()), one.get("city")
        if isinstance(city, str) and lines:
            found.add((folded(city), folded(" ".join(line for line in lines if isinstance(line, str)))))
    return found
