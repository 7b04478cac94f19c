"""How much two Patients are alike."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healix_fhir.operation.matching.candidates import ways
from healix_fhir.operation.matching.likeness import Grade, likeness
from healix_fhir.operation.matching.match import graded

MRN = "urn:mrn"
ADA: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "ada",
    "identifier": [{"system": MRN, "value": "A1"}],
    "name": [{"family": "Lovelace-Byron", "given": ["Augusta", "Ada"]}],
    "birthDate": "1990-05-17",
    "gender": "female",
    "telecom": [{"system": "phone", "value": "+43 (1) 234 5678"}, {"system": "email", "value": "Ada@Example.org"}],
    "address": [{"line": ["Main St 1"], "city": "Wien", "postalCode": "1010"}],
}


def described(**parts: Any) -> dict[str, Any]:
    """A description with these parts."""
    return {"resourceType": "Patient", **parts}


def name(family: str, *given_names: str) -> list[dict[str, Any]]:
    """A name."""
    return [{"family": family, "given": list(given_names)}]


BORN = "1990-05-17"
PHONE = [{"system": "phone", "value": "0043-1-2345678"}]
NUMBER = [{"system": MRN, "value": " a1 "}]
TABLE = (
    (described(**{key: value for key, value in ADA.items() if key != "id"}), Grade.CERTAIN),
    (described(identifier=NUMBER, birthDate=BORN), Grade.CERTAIN),
    (described(identifier=NUMBER, name=name("Byron")), Grade.CERTAIN),
    (described(identifier=NUMBER), Grade.POSSIBLE),
    (described(identifier=NUMBER, birthDate="1971-01-02"), Grade.NOT),
    (described(identifier=NUMBER, name=name("Smith", "John"), birthDate=BORN), Grade.POSSIBLE),
    (described(name=name("Lovelace-Byron", "Ada"), birthDate=BORN, telecom=PHONE), Grade.CERTAIN),
    (described(name=name("Lovelace-Byron", "Ada"), birthDate=BORN, gender="female"), Grade.PROBABLE),
    (described(name=name("BYRÓN", "Ada"), birthDate=BORN, gender="female"), Grade.PROBABLE),
    (described(name=name("Byran", "Ada"), birthDate=BORN, telecom=PHONE), Grade.PROBABLE),
    (described(name=name("Ada", "Byron"), birthDate=BORN, gender="female"), Grade.POSSIBLE),
    (described(name=name("Byron", "Ada"), birthDate="1990-05-18", telecom=PHONE), Grade.PROBABLE),
    (described(name=name("Byron", "Ada"), birthDate="1990-17-05"), Grade.POSSIBLE),
    (described(name=name("Byron", "Claire"), birthDate=BORN, gender="female"), Grade.POSSIBLE),
    (described(name=name("Byron", "Ada")), Grade.POSSIBLE),
    (described(birthDate=BORN), Grade.NOT),
    (described(name=name("Byron", "Ada"), birthDate="1971-01-02"), Grade.NOT),
    (described(name=name("Byron", "Ada"), birthDate=BORN, identifier=[{"system": MRN, "value": "B2"}]), Grade.POSSIBLE),
)


@pytest.mark.spec("FHIR R4 patient-operation-match.html")
@pytest.mark.parametrize(("asked", "grade"), TABLE)
def test_grades(asked: dict[str, Any], grade: Grade) -> None:
    """A number with something that agrees is certain, as is everything together; what contradicts speaks against."""
    found = likeness(asked, ADA)
    assert (found.grade, 0 <= found.score <= 1) == (grade, True)


@pytest.mark.spec("FHIR R4 extension-match-grade.html")
def test_scores_follow_grades() -> None:
    """What is certain has a higher score than what is probable, and that than what is possible."""
    scores = {grade: [likeness(asked, ADA).score for asked, one in TABLE if one is grade] for grade in Grade}
    assert min(scores[Grade.CERTAIN]) > max(scores[Grade.PROBABLE])
    assert min(scores[Grade.PROBABLE]) > max(scores[Grade.POSSIBLE]) > max(scores[Grade.NOT])


def test_only_certain_matches() -> None:
    """One that is certain is given alone; of several that are, nobody, since they cannot all be meant."""
    asked = described(identifier=NUMBER, birthDate=BORN)
    other = described(id="claire", name=name("Byron"), birthDate=BORN, identifier=NUMBER)
    unlike = described(id="bob", birthDate="1950-01-01", name=name("Hale"))
    shown = graded(asked, [unlike, ADA], only_certain=True, count=None)
    assert [body["id"] for body, _ in shown] == ["ada"]
    assert graded(asked, [other, ADA], only_certain=True, count=None) == []
    assert len(graded(asked, [other, ADA], only_certain=False, count=None)) == 2
    assert len(graded(asked, [other, ADA], only_certain=False, count=1)) == 1


def test_the_number_of_a_merged_record_is_the_persons() -> None:
    """The number that a record got of a merged one agrees, though another is in use, and contradicts nothing."""
    merged = ADA | {"identifier": [{"system": MRN, "value": "A2"}, NUMBER[0] | {"use": "old"}]}
    assert likeness(described(identifier=NUMBER, birthDate=BORN), merged).grade is Grade.CERTAIN
    other = described(identifier=[{"system": MRN, "value": "B2"}], birthDate=BORN)
    retired = ADA | {"identifier": [NUMBER[0] | {"use": "old"}]}
    assert likeness(other, retired).score == likeness(described(birthDate=BORN), ADA).score


def test_names_without_end_cost_little() -> None:
    """Only so many words are compared, and so much of them."""
    asked = described(name=[{"family": f"{n}" + "x" * 2_000, "given": ["y" * 20_000] * 5} for n in range(300)])
    other = described(name=[{"family": f"{n}" + "z" * 2_000, "given": ["v" * 20_000] * 5} for n in range(300)])
    start = time.process_time()
    likeness(asked, other)
    assert time.process_time() - start < 5


PARAMETERS = {"identifier", "birthdate", "phonetic", "given", "family", "telecom"}
texts = st.text(min_size=1, max_size=8)
anything = st.fixed_dictionaries(
    {},
    optional={
        "identifier": st.lists(st.fixed_dictionaries({}, optional={"system": texts, "value": texts}), max_size=2),
        "name": st.lists(
            st.fixed_dictionaries({}, optional={"family": texts, "given": st.lists(texts, max_size=2)}), max_size=2
        ),
        "birthDate": st.sampled_from(["1990", "1990-05", "1990-05-17", "2000-01-01"]),
        "gender": st.sampled_from(["male", "female", "other", "unknown"]),
        "telecom": st.lists(st.fixed_dictionaries({"value": texts}, optional={"system": texts}), max_size=2),
        "address": st.lists(st.fixed_dictionaries({}, optional={"postalCode": texts, "city": texts}), max_size=2),
    },
)


@given(one=anything, other=anything)
def test_it_is_the_same_both_ways(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Whoever is asked for: a score between 0 and 1, and the same grade for being alike as for being so in turn."""
    there, back = likeness(one, other), likeness(other, one)
    assert 0 <= there.score <= 1
    swapped = {"name"} <= one.keys() & other.keys()  # names in each other's place are looked for one way
    assert swapped or there == back


@given(asked=anything)
def test_ways_are_searches(asked: dict[str, Any]) -> None:
    """Whatever is told becomes parameters with values."""
    assert all(name in PARAMETERS and value for way in ways(asked) for name, value in way)
