"""A search and what it must find, told without the code under test."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

Json = dict[str, Any]
Holds = Callable[[Json], bool]

SEPARATORS = re.compile(r"([\\,|$])")


@dataclass(frozen=True)
class Question:
    """`name=value` on resources of `type_name`; `holds` tells of one resource, by its JSON, whether it matches.

    `test` is the same as a test of `_filter`, empty where that has no such form.
    """

    type_name: str
    name: str
    value: str
    holds: Holds
    test: str = ""

    def __str__(self) -> str:
        return f"{self.type_name}?{self.name}={self.value}"


def escaped(text: str) -> str:
    """A text as part of a search value. Spec: FHIR R4, hl7.org/fhir/R4/search.html#escaping"""
    return SEPARATORS.sub(r"\\\1", text)


def as_test(name: str, operator: str, value: str) -> str:
    """A test of `_filter` of a search value, in which commas are nothing special."""
    return f"{name} {operator} {json.dumps(value.replace(chr(92) + ',', ','))}"


def any_of(questions: Sequence[Question]) -> Question:
    """One of several values of a parameter."""
    first = questions[0]
    holds = tuple(question.holds for question in questions)
    value = ",".join(question.value for question in questions)
    test = " or ".join(question.test for question in questions) if all(question.test for question in questions) else ""
    return replace(first, value=value, holds=lambda resource: any(one(resource) for one in holds), test=test)


def at(value: Json, path: str) -> Iterator[Any]:
    """The values of the elements at a path of names, whether these repeat or not."""
    name, dot, rest = path.partition(".")
    found = value.get(name, ())
    for one in found if isinstance(found, list) else [found] if found != () else []:
        if dot:
            yield from at(one, rest)
        else:
            yield one
