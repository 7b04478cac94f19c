"""Orders over several types at once against a sorted list: each type by its own parameter of the name."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.search.question import Json, at
from tests.property.search.store import Store
from tests.support.examples import examples

DAYS = ("2020-01-01", "2021-05-06", "2022-12-31")
CODES = ("a", "B", "c-1")
CODED = {"coding": [{"code": "x"}]}
PATHS: Mapping[str, Mapping[str, str]] = {
    # by sort key, by type, the path to the values
    "date": {"Observation": "effectiveDateTime", "Encounter": "period.start", "DocumentReference": "date"},
    "status": dict.fromkeys(("Observation", "Encounter", "DocumentReference"), "status"),
    "identifier": dict.fromkeys(("Observation", "Encounter", "DocumentReference", "Patient"), "identifier.value"),
    "_tag": dict.fromkeys(("Observation", "Encounter", "DocumentReference", "Patient"), "meta.tag.code"),
    "_profile": dict.fromkeys(("Observation", "Encounter", "DocumentReference", "Patient"), "meta.profile"),
    "subject": dict.fromkeys(("Observation", "Encounter", "DocumentReference"), "subject.id"),
    "family": {"Patient": "name.family"},
    "active": {"Patient": "active"},
    "length": {"Encounter": "length.value"},
    "_id": dict.fromkeys(("Observation", "Encounter", "DocumentReference", "Patient"), "id"),
}
TYPES = ("Observation", "Encounter", "DocumentReference", "Patient")
STATUS = {"Observation": "final", "Encounter": "planned", "DocumentReference": "current"}


def make(random: Random, type_name: str, number: int) -> Json:
    """A resource with some of what its type is sorted by."""
    reference = random.choice("pq")
    everything: dict[str, Any] = {
        "identifier": [{"value": code} for code in random.sample(CODES, random.randint(1, 2))],
        "meta": {"tag": [{"code": random.choice(CODES)}], "profile": [f"http://p.test/{random.choice('ab')}"]},
        "subject": {"reference": f"Patient/{reference}", "id": reference},
        "effectiveDateTime": random.choice(DAYS),
        "period": {"start": random.choice(DAYS)},
        "date": f"{random.choice(DAYS)}T00:00:00Z",
        "name": [{"family": random.choice(("Abel", "Berg"))}],
        "active": random.choice((True, False)),
        "length": {"value": random.randint(1, 3), "unit": "h"},
    }
    own = {path.partition(".")[0] for paths in PATHS.values() for name, path in paths.items() if name == type_name}
    chosen = {name: value for name, value in everything.items() if name in own and random.random() < 0.7}
    status = {"status": STATUS[type_name]} if type_name in STATUS else {}
    return {"resourceType": type_name, "id": f"{random.randrange(10)}{type_name[0]}{number}", **status, **chosen}


def values(resource: Json, key: str) -> list[Any]:
    """What a resource is sorted by under a key; nothing where its type has no such parameter."""
    path = PATHS[key].get(resource["resourceType"], "")
    found = list(at(resource, path)) if path else []
    if key == "date":
        return [value[:10] for value in found]
    return [str(value).lower() if key != "length" else value for value in found]


def in_order(resources: list[Json], keys: list[str]) -> list[Json]:
    """The resources, which come in the order in which they were made, sorted by the keys."""
    expected = list(reversed(resources)) if keys[0].startswith("-") else list(resources)
    for key in reversed(keys):
        code, down = key.removeprefix("-"), key.startswith("-")
        first = max if down else min
        there = [one for one in expected if values(one, code)]
        there.sort(key=lambda one: first(values(one, code)), reverse=down)
        expected = there + [one for one in expected if not values(one, code)]
    return expected


@pytest.mark.spec("FHIR R4 search.html#sort")
@settings(max_examples=examples(10), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_several_types_are_sorted_by_any_parameters(store: Store, seed: int) -> None:
    """By parameters of every type; what has no value, or not even the parameter, comes last."""
    random = Random(seed)
    resources = [make(random, random.choice(TYPES), number) for number in range(20)]
    store.settle(resources)
    for _ in range(20):
        types = random.sample(TYPES, random.randint(2, 4))
        codes = [code for code in PATHS if PATHS[code].keys() & set(types)]
        keys = [random.choice(("", "-")) + code for code in random.sample(codes, random.randint(1, 3))]
        expected = [one["id"] for one in in_order([one for one in resources if one["resourceType"] in types], keys)]
        address = f"?_type={','.join(types)}&_sort={','.join(keys)}&_count={random.choice([1, 4, 50])}"
        assert store.pages(address) == expected, address
