"""The official FHIRPath Patch suite: its cases, read from XML as they are written there.

Spec: FHIR/fhir-test-cases, r4/patch/fhir-patch-tests.xml
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from healix_fhir.model.xml.decode import decode
from tests.support.resources import Json, shared_data

CASE = re.compile(r'<case name="(?P<name>[^"]*)".*?>(?P<body>.*?)</case>', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Case:
    """One case: the resource, the patch, and what comes out, or the error."""

    name: str
    input: Json
    patch: Json
    output: Json | None
    error: str


def cases() -> Iterator[Case]:
    """Every case; skips where the suite is absent."""
    text = shared_data("fhir-test-cases/fhir-patch-tests.xml").read_text(encoding="utf-8")
    for found in CASE.finditer(text):
        body = found["body"]
        error = re.search(r'<error msg="([^"]*)"', body)
        yield Case(
            found["name"],
            _part(body, "input"),
            _part(body, "diff"),
            None if error else _part(body, "output"),
            error[1] if error else "",
        )


def _part(body: str, name: str) -> Json:
    found = re.search(rf"<{name}>(.*?)</{name}>", body, re.DOTALL)
    assert found is not None
    return decode(found[1].strip().encode())
