"""The official FHIRPath suite: its cases, and how one is judged.

Spec: FHIR/fhir-test-cases, r4/fhirpath/tests-fhir-r4.xml (its rules are in HL7/FHIRPath, tests/testSchema.xsd)
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.fhirpath.engine import Node, compile_expression
from healix_fhir.model.json import decode
from tests.support.resources import REPOSITORY, Json, shared_data

EXCLUSIONS = REPOSITORY / "conformance" / "exclusions.toml"


@dataclass(frozen=True, slots=True)
class Case:
    """One case; `invalid` is the kind of error that is expected, `outputs` are type (or nothing) and text."""

    name: str
    expression: str
    input: str
    invalid: str
    outputs: tuple[tuple[str, str], ...]
    ordered: bool
    predicate: bool


def cases() -> Iterator[Case]:
    """Every case of the suite, a repeated name with its number; skips where the suite is absent."""
    names: Counter[str] = Counter()
    for test in ET.parse(shared_data("fhir-test-cases/tests-fhir-r4.xml")).iter("test"):
        name = test.get("name", "")
        names[name] += 1
        expression = test.find("expression")
        assert expression is not None
        yield Case(
            name if names[name] == 1 else f"{name} ({names[name]})",
            expression.text or "",
            test.get("inputfile", ""),
            expression.get("invalid", ""),
            tuple((output.get("type", ""), output.text or "") for output in test.iter("output")),
            test.get("ordered") != "false",
            test.get("predicate") == "true",
        )


@cache
def resource(name: str) -> Json:
    """The input of a case, which is at hand as JSON; a case without one gets an empty Patient."""
    if not name:
        return {"resourceType": "Patient"}
    folder: Path = shared_data("fhir-test-cases/inputs")
    stem = name.rpartition(".")[0]
    path = next(path for path in (folder / f"{stem}.json", folder / f"r5-{stem}.json") if path.exists())
    return decode(path.read_bytes())


def exclusions(table: str) -> Mapping[str, str]:
    """The excluded cases of one suite, each with its reason."""
    found: dict[str, Any] = tomllib.loads(EXCLUSIONS.read_text(encoding="utf-8"))
    return dict(found[table])


def verdict(case: Case) -> str:
    """Why the engine fails the case; empty when it passes."""
    subject = resource(case.input)
    try:
        compiled = compile_expression(case.expression)
        if case.invalid == "semantic":
            compiled.check(subject["resourceType"])
        found = compiled.evaluate(subject)
        if case.predicate:
            return "" if [("boolean", str(compiled.holds(subject)).lower())] == list(case.outputs) else "the predicate"
    except HealixError as error:
        return "" if case.invalid else f"refused: {error.message}"
    if case.invalid:
        return f"not refused: {[written(node) for node in found]}"
    return _compared(case, found)


def _compared(case: Case, found: list[Node]) -> str:
    got = [(kind(node), written(node)) for node in found]
    wanted = [(type_, text.removeprefix("@").removeprefix("T")) for type_, text in case.outputs]
    if not case.ordered:
        got, wanted = sorted(got), sorted(wanted)
    agree = len(got) == len(wanted) and all(
        value == text and type_ in ("", named) for (named, value), (type_, text) in zip(got, wanted, strict=True)
    )
    return "" if agree else f"{got} instead of {wanted}"


def kind(node: Node) -> str:
    """The type as the suite names it: System types as the FHIR types of the same meaning."""
    name = node.type.removeprefix("System.")
    return name if name == "Quantity" or not node.is_system else name[0].lower() + name[1:]


def written(node: Node) -> str:
    """The value as the suite writes it."""
    if isinstance(node.value, bool):
        return str(node.value).lower()
    return f"{node.value:f}" if isinstance(node.value, Decimal) else str(node.value)
