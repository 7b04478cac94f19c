"""Pages over random people in random orders, while others write: against sorting a list in memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cmp_to_key
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healix_fhir.kernel.database import open_pool
from healix_fhir.search.strings import fold
from tests.support.examples import examples
from tests.support.search import Clinic

Json = dict[str, Any]
SEEDS = st.integers(0, 2**32)
FAMILIES = ("Abel", "Ábel", "abel-", "Berg", "Cole", "")
DAYS = ("1970-01-01", "1980-05-06", "1990-12-31", "")
GENDERS = ("male", "female", "other", "")
CITIES = ("Aix", "Bern", "Cork")
KEYS = ("family", "birthdate", "gender", "address-city", "_id", "organization")
FILTERS = (
    "",
    "gender:not=male",
    "birthdate=ge1980",
    "family=abel",
    "organization._id=o0,o1",
    "_has:Group:member:_id=g",
)
TABLES = "resource, resource_history, compartment, index_token, index_string, index_date, index_reference, outbox"


@pytest.fixture(scope="module")
def clinic(postgres_url: str) -> Iterator[Clinic]:
    """One store, emptied for each world."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE pages TEMPLATE template_healix")
    with open_pool(postgres_url.replace("/postgres?", "/pages?"), size=1) as opened:
        yield Clinic(opened)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE pages WITH (FORCE)")


def make_person(rng: Random, id_: str) -> Json:
    """A person with some of what people are sorted by."""
    family, born, gender = rng.choice(FAMILIES), rng.choice(DAYS), rng.choice(GENDERS)
    cities = rng.sample(CITIES, rng.randint(0, 2))
    person: Json = {"resourceType": "Patient", "id": id_}
    person |= {"name": [{"family": family}]} if family else {}
    person |= {"birthDate": born} if born else {}
    person |= {"gender": gender} if gender else {}
    person |= {"address": [{"city": city} for city in cities]} if cities else {}
    person |= (
        {"managingOrganization": {"reference": f"Organization/o{rng.randint(0, 3)}"}} if rng.random() < 0.7 else {}
    )
    return person


def values(person: Json, key: str) -> list[str]:
    """What a person is sorted by under a key."""
    match key:
        case "family":
            return [fold(name["family"]) for name in person.get("name", ())]
        case "birthdate":
            return [person["birthDate"]] if "birthDate" in person else []
        case "gender":
            return [person["gender"]] if "gender" in person else []
        case "address-city":
            return [address["city"].lower() for address in person.get("address", ())]
        case "organization":
            return [person["managingOrganization"]["reference"][13:]] if "managingOrganization" in person else []
        case _:
            return [person["id"]]


def matches(person: Json, wanted: str, members: set[str]) -> bool:
    """Whether a person fulfils one of FILTERS."""
    match wanted:
        case "gender:not=male":
            return person.get("gender") != "male"
        case "birthdate=ge1980":
            return str(person.get("birthDate", "")) >= "1980"
        case "family=abel":
            return any(value.startswith("abel") for value in values(person, "family"))
        case "organization._id=o0,o1":
            return values(person, "organization") in (["o0"], ["o1"])
        case "_has:Group:member:_id=g":
            return person["id"] in members
        case _:
            return True


def compare(one: Json, other: Json, keys: tuple[str, ...], made: dict[str, int]) -> int:
    """The order of two people; what is missing comes last, ties go by when they were made."""
    for key in keys:
        code, down = key.removeprefix("-"), key.startswith("-")
        mine, theirs = ((max if down else min)(values(p, code), default=None) for p in (one, other))
        if mine != theirs:
            if mine is None or theirs is None:
                return 1 if mine is None else -1
            return -1 if (mine < theirs) is not down else 1
    earlier = made[one["id"]] < made[other["id"]]
    return -1 if earlier is not keys[0].startswith("-") else 1


def settle(clinic: Clinic, rng: Random, size: int) -> tuple[list[Json], set[str]]:
    """A new world of people, and who of them is in the group."""
    clinic.run(f"TRUNCATE {TABLES}")
    people = [make_person(rng, f"p{n:02d}") for n in range(size)]
    members = {person["id"] for person in people if rng.random() < 0.5}
    group = [{"entity": {"reference": f"Patient/{id_}"}} for id_ in sorted(members)]
    clinic.put(*({"resourceType": "Organization", "id": f"o{n}", "name": "O"} for n in range(4)))
    clinic.put({"resourceType": "Group", "id": "g", "type": "person", "actual": True, "member": group})
    clinic.put(*people)
    return people, members


def make_search(rng: Random) -> tuple[tuple[str, ...], str, str]:
    """Sort keys, a filter, and the address that asks for both."""
    keys = tuple(rng.choice(("", "-")) + key for key in rng.sample(KEYS, rng.randint(1, 3)))
    wanted = rng.choice(FILTERS)
    count = rng.choice((1, 2, 3, 5))
    return keys, wanted, f"Patient?_sort={','.join(keys)}&_count={count}{'&' if wanted else ''}{wanted}"


@settings(max_examples=examples(20), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=SEEDS)
def test_pages_are_the_sorted_list_cut_up_in_either_direction(clinic: Clinic, seed: int) -> None:
    """Every order of every filter, forward and from the last page back, is that of a list sorted in memory."""
    rng = Random(seed)
    people, members = settle(clinic, rng, 14)
    made = {person["id"]: n for n, person in enumerate(people)}
    for _ in range(6):
        keys, wanted, address = make_search(rng)
        found = [person for person in people if matches(person, wanted, members)]
        found.sort(key=cmp_to_key(lambda one, other: compare(one, other, keys, made)))  # noqa: B023
        expected = [person["id"] for person in found]
        assert clinic.ids(address) == expected
        assert backwards(clinic, address) == expected


def backwards(clinic: Clinic, address: str) -> list[str]:
    """The matches from the last page back, in order."""
    page = clinic.page(address)
    if "last" in page.links:
        page = clinic.page(f"Patient?{page.links['last']}")
    ids = [hit.id for hit in page.entries]
    while "previous" in page.links:
        page = clinic.page(f"Patient?{page.links['previous']}")
        ids = [*(hit.id for hit in page.entries), *ids]
    return ids


@settings(max_examples=examples(20), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=SEEDS)
def test_what_stays_as_it_is_comes_once_and_in_order_whatever_others_write(clinic: Clinic, seed: int) -> None:
    """While pages are read, people come, go and change: those who do not are neither missed nor repeated."""
    rng = Random(seed)
    people, members = settle(clinic, rng, 14)
    made = {person["id"]: n for n, person in enumerate(people)}
    for turn in range(3):
        keys, wanted, address = make_search(rng)
        before = [person for person in people if matches(person, wanted, members)]
        touched: set[str] = set()
        new: set[str] = set()
        seen: list[str] = []
        for number, page in enumerate(clinic.pages(address)):
            seen += [hit.id for hit in page.entries]
            fresh = f"n{turn}-{number}"
            clinic.put(make_person(rng, fresh))
            new.add(fresh)
            someone = rng.choice(people)["id"]
            touched.add(someone)
            if rng.random() < 0.5:
                clinic.delete("Patient", someone)
            else:
                clinic.put(make_person(rng, someone))
        still = [person for person in before if person["id"] not in touched]
        still.sort(key=cmp_to_key(lambda one, other: compare(one, other, keys, made)))  # noqa: B023
        assert not new & set(seen)
        assert [id_ for id_ in seen if id_ not in touched] == [person["id"] for person in still]
        people, members = settle(clinic, rng, 14)
