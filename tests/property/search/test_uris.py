"""Uri searches against a naive reading: letter by letter, or segment by segment."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.search.question import Json, Question, any_of, as_test, at, escaped
from tests.property.search.store import Store
from tests.support.examples import examples

HOSTS = ("http://a.test", "https://a.test", "http://a.test:80")
SEGMENTS = ("x", "X", "xy", "y,z", "é")
URNS = ("urn:oid:1.2", "urn:oid:1.2.3", "urn:uuid:x/y")
PATHS = {
    ("ValueSet", "url"): "url",
    ("Patient", "_profile"): "meta.profile",
    ("CarePlan", "instantiates-uri"): "instantiatesUri",
}


def _url(random: Random) -> str:
    end = random.choice(["", "", "/"])
    return "/".join([random.choice(HOSTS), *random.choices(SEGMENTS, k=random.randint(0, 3))]) + end


def _uri(random: Random) -> str:
    return random.choice(URNS) if random.random() < 0.15 else _url(random)


def _make(random: Random, type_name: str, id_: str) -> Json:
    resource: Json = {"resourceType": type_name, "id": id_}
    match type_name:
        case "ValueSet":
            return resource | {"status": "active", "url": _uri(random)}
        case "Patient":
            profiles = [_url(random) + random.choice(["", "|1", "|2"]) for _ in range(random.randint(0, 2))]
            return resource | ({"meta": {"profile": profiles}} if profiles else {})
        case _:
            return resource | {"instantiatesUri": [_uri(random) for _ in range(random.randint(1, 2))]}


def _places(url: str) -> list[str]:
    """The segments of a URL, without regard to a slash at its end; none of a URN."""
    return [] if url.startswith("urn:") else url.rstrip("/").split("/")


def _below(value: str, place: str) -> bool:
    """Whether a value is a place or lies below it."""
    segments, top = _places(value.partition("|")[0]), _places(place)
    return segments[: len(top)] == top


def make_question(random: Random, known: list[str]) -> Question:
    """A search for a uri that is known, for one near it, or for another."""
    type_name, name = random.choice(list(PATHS))
    path = PATHS[type_name, name]
    asked = random.choice([random.choice(known), random.choice(known).rpartition("/")[0], _uri(random)])
    canonical = name == "_profile"
    modifier = random.choice(["", ":below", ":above"])
    if modifier and not _places(asked.partition("|")[0])[2:]:
        modifier = ""

    def holds(resource: Json) -> bool:
        values = at(resource, path)
        match modifier:
            case ":below":
                return any(_below(value, asked) for value in values if _places(value))
            case ":above":
                return any(_below(asked, value.partition("|")[0]) for value in values if _places(value))
            case _:
                return any(asked in (value, value.partition("|")[0] if canonical else value) for value in values)

    if modifier:
        asked = asked.partition("|")[0]
    return Question(
        type_name, name + modifier, escaped(asked), holds, "" if modifier else as_test(name, "eq", escaped(asked))
    )


@pytest.mark.spec("FHIR R4 search.html#uri")
@settings(max_examples=examples(10), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_uris_are_found_as_the_page_says(store: Store, seed: int) -> None:
    """The whole of it and nothing else; with `:below` and `:above` by the segments of URLs, never of URNs."""
    random = Random(seed)
    resources = [_make(random, type_name, f"r{n}") for type_name, _ in PATHS for n in range(8)]
    store.settle(resources)
    known = [
        value
        for r in resources
        for (type_name, _), path in PATHS.items()
        for value in at(r, path)
        if r["resourceType"] == type_name
    ]
    for _ in range(40):
        question, other = make_question(random, known), make_question(random, known)
        if question.value:
            store.check(question)
        if question.value and other.value and (question.type_name, question.name) == (other.type_name, other.name):
            store.check(any_of([question, other]))
