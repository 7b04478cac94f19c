"""Read the interactions of a file: CSV, or DetectedIssues as a Bundle or NDJSON.

The CSV has a head with the names of its columns: `a_system`, `a_code`, `a_name`, `b_system`, `b_code`, `b_name`,
`severity` (high, moderate or low), and, where they are told, `effect` and `management`.

A DetectedIssue defines an interaction where it implicates two contained Medications: their codes, its `severity`, its
`detail` and the text of its first `mitigation.action`. Several codes of a Medication stand for each other.

Spec: RFC 4180; FHIR R4, hl7.org/fhir/R4/detectedissue.html
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.model.json import decode
from healix_fhir.model.validate import check
from healix_fhir.operation.prescription.drug import Drug, drug_of
from healix_fhir.operation.prescription.finding import INDICATOR
from healix_fhir.operation.prescription.interactions import Interaction

NEEDED = ("a_system", "a_code", "a_name", "b_system", "b_code", "b_name", "severity")
TOLD = ("effect", "management")
MOST = 1_000_000
LONGEST = 4000
ISSUE = "DetectedIssue"


def read(text: str) -> list[Interaction]:
    """The interactions. Raises Invalid with the line, or the place in the Bundle, of what cannot be used."""
    found: list[Interaction] = []
    for one in _of_fhir(text) if text.lstrip()[:1] == "{" else _of_csv(text):
        if len(found) >= MOST:
            raise invalid(f"more than {MOST} interactions")
        found.append(one)
    if not found:
        raise invalid("the file has no interaction")
    return found


def _of_csv(text: str) -> Iterator[Interaction]:
    rows = csv.DictReader(StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    missing = [name for name in NEEDED if name not in (rows.fieldnames or ())]
    if missing:
        raise invalid(f"line 1: the columns {', '.join(missing)} are missing")
    try:
        for row in rows:
            yield _of_row(row, f"line {rows.line_num}")
    except csv.Error as error:
        raise invalid(f"line {rows.line_num}: {error}") from error


def _of_row(row: Mapping[str | None, Any], place: str) -> Interaction:
    if None in row or None in row.values():
        raise invalid(f"{place}: it has not as many values as there are columns")
    value = {name: str(row.get(name, "")).strip() for name in (*NEEDED, *TOLD)}
    empty = [name for name in NEEDED if not value[name]]
    if empty:
        raise invalid(f"{place}: {empty[0]} is empty")
    return _checked(
        Interaction(
            (value["a_system"], value["a_code"]),
            (value["b_system"], value["b_code"]),
            f"{value['a_name']} and {value['b_name']}",
            value["severity"],
            value["effect"],
            value["management"],
        ),
        place,
    )


def _checked(one: Interaction, place: str) -> Interaction:
    if one.severity not in INDICATOR:
        raise invalid(f"{place}: the severity is {', '.join(sorted(INDICATOR))}, not '{one.severity[:40]}'")
    texts = (*one.a, *one.b, one.names, one.effect, one.management)
    if any("\0" in text or len(text) > LONGEST for text in texts):
        raise invalid(f"{place}: a value is longer than {LONGEST} characters, or holds what no text holds")
    if one.a == one.b:
        raise invalid(f"{place}: a substance does not interact with itself")
    return one


def _of_fhir(text: str) -> Iterator[Interaction]:
    for place, resource in _resources(text):
        kind = resource.get("resourceType")
        if kind != ISSUE:
            raise invalid(f"{place}: it is no {ISSUE}")
        try:
            check(resource, ISSUE)
        except HealixError as error:
            raise invalid(f"{place}: {error.issues[0].message}") from error
        yield from _of_issue(resource, place)


def _resources(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        whole = decode(text.encode())
    except HealixError:
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                try:
                    yield f"line {number}", decode(line.encode())
                except HealixError as error:
                    raise invalid(f"line {number}: {error.message}") from error
        return
    if whole.get("resourceType") != "Bundle":
        yield "line 1", whole
        return
    for number, entry in enumerate(whole.get("entry") or ()):
        yield f"entry {number + 1}", entry.get("resource") or {}


def _of_issue(resource: dict[str, Any], place: str) -> Iterator[Interaction]:
    drugs = [
        drug_of({"resourceType": ISSUE, "medicationReference": one, "contained": resource.get("contained", ())}, {})
        for one in resource.get("implicated", ())
    ]
    if len(drugs) != 2 or not all(one.codes for one in drugs):
        raise invalid(f"{place}: it does not implicate two contained Medications with codes")
    first, second = drugs
    for a in sorted(first.codes):
        for b in sorted(second.codes):
            yield _checked(_interaction(resource, first, second, a, b), place)


def _interaction(
    resource: dict[str, Any], first: Drug, second: Drug, a: tuple[str, str], b: tuple[str, str]
) -> Interaction:
    mitigations: list[dict[str, Any]] = resource.get("mitigation", [])
    action = mitigations[0]["action"] if mitigations else {}
    return Interaction(
        a,
        b,
        f"{first.name} and {second.name}",
        str(resource.get("severity", "")),
        str(resource.get("detail", "")),
        str(action.get("text", "")),
    )
