"""Random references in resources, and searches for them with a naive reading of the page on references.

What a reference names is told as a type and an id on this server, or as a URL.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeAlias

from tests.property.search.codes import identifier, of_identifiers, token_question
from tests.property.search.question import Json, Question, as_test, escaped
from tests.property.search.words import part, plain, written
from tests.support.search import BASE

ELSEWHERE = "http://else.test/fhir"
IDS = ("a", "b", "A")

Named: TypeAlias = tuple[str, str] | str
Values = Callable[[Json], list[Json]]


def reference(random: Random, types: tuple[str, ...]) -> Json:
    """A Reference: relative, absolute to here or elsewhere, versioned, to something contained, or without a URL."""
    there = f"{random.choice(types)}/{random.choice(IDS)}"
    version = random.choice(["", "", "/_history/2"])
    literal = random.choice(
        [f"{there}{version}", f"{BASE}/{there}{version}", f"{ELSEWHERE}/{there}{version}", "#c", "urn:uuid:1", ""]
    )
    value: Json = {"reference": literal} if literal else {}
    if random.random() < 0.3 or not literal:
        value["identifier"] = identifier(random)
    if random.random() < 0.3:
        value["display"] = written(random)
    return value


def named(value: Json) -> Named | None:
    """What a Reference names; None for what is contained, and for no URL at all."""
    literal = value.get("reference", "#").partition("/_history/")[0]
    if literal.startswith("#"):
        return None
    relative = literal.removeprefix(f"{BASE}/")
    type_name, slash, id_ = relative.partition("/")
    return (type_name, id_) if slash and ":" not in relative else literal


def reference_question(random: Random, type_name: str, name: str, types: tuple[str, ...], values: Values) -> Question:
    """A search for what is referred to: by id, type and id, or URL.

    Spec: FHIR R4, hl7.org/fhir/R4/search.html#reference
    """
    target, id_ = random.choice(types), random.choice(IDS)
    forms: dict[tuple[str, str], set[Named]] = {
        ("", id_): {(one, id_) for one in types},
        ("", f"{target}/{id_}"): {(target, id_)},
        ("", f"{BASE}/{target}/{id_}"): {(target, id_)},
        ("", f"{ELSEWHERE}/{target}/{id_}"): {f"{ELSEWHERE}/{target}/{id_}"},
        ("", "urn:uuid:1"): {"urn:uuid:1"},
        (f":{target}", id_): {(target, id_)},
    }
    modifier, value = random.choice(list(forms))
    wanted = forms[modifier, value]
    return Question(
        type_name,
        name + modifier,
        value,
        lambda r: any(named(one) in wanted for one in values(r)),
        "" if modifier else as_test(name, random.choice(["re", "eq"]), value),
    )


def identifier_question(random: Random, type_name: str, name: str, values: Values) -> Question:
    """A search for the identifier of what is referred to, which is a token.

    Spec: FHIR R4, hl7.org/fhir/R4/search.html#modifiers (identifier)
    """
    while True:
        found = token_question(
            random,
            type_name,
            f"{name}:identifier",
            lambda r: of_identifiers([one["identifier"] for one in values(r) if "identifier" in one]),
        )
        if not found.name.endswith(":not"):
            return Question(type_name, found.name, found.value, found.holds)


def text_question(random: Random, type_name: str, name: str, values: Values, known: list[str]) -> Question:
    """A search for how the text beside a reference starts."""
    asked = part(random, known)
    return Question(
        type_name,
        f"{name}:text",
        escaped(asked),
        lambda r: any(plain(one["display"]).startswith(plain(asked)) for one in values(r) if "display" in one),
    )
