"""The flat columns of resource types."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.bulk.columns import Column, Kind, columns, row, snake
from healix_fhir.model.definitions import TYPES
from healix_fhir.model.json import encode

Json = dict[str, Any]


@pytest.mark.parametrize("type_name", TYPES)
def test_columns_of_every_type(type_name: str) -> None:
    """Each type has columns of different names, the id first and the whole resource last."""
    names = [column.name for column in columns(type_name)]
    assert len(names) == len(set(names))
    assert (names[0], names[-1]) == ("id", "json")


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("meta_last_updated", Kind.INSTANT),
        ("effective_date_time", Kind.TEXT),
        ("issued", Kind.INSTANT),
        ("value_boolean", Kind.BOOLEAN),
        ("value_integer", Kind.INTEGER),
        ("value_quantity_value", Kind.NUMBER),
        ("category_code", Kind.TEXT),
    ],
)
def test_kinds(column: str, kind: Kind) -> None:
    """Numbers, truth values and instants keep their kinds; dates, which may be known to the year alone, are texts."""
    assert Column(column, kind) in columns("Observation")


OBSERVATION: Json = {
    "resourceType": "Observation", "id": "o", "meta": {"versionId": "2", "lastUpdated": "2026-01-02T03:04:05.678Z"},
    "status": "final", "code": {"coding": [{"system": "s", "code": "1", "display": "D"}, {"code": "2"}], "text": "T"},
    "category": [{"coding": [{"code": "first"}]}, {"coding": [{"code": "second"}]}],
    "subject": {"reference": "Patient/p/_history/3", "display": "P"}, "performer": [{"reference": "urn:uuid:x"}],
    "effectivePeriod": {"start": "2026", "end": "2026-02"},
    "valueQuantity": {"value": 1.50, "unit": "kg", "code": "kg"},
    "component": [{"code": {"text": "deep"}}], "note": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (OBSERVATION, {
            "id": "o", "meta_version_id": "2", "meta_last_updated": "2026-01-02T03:04:05.678Z", "status": "final",
            "code_system": "s", "code_code": "1", "code_display": "D", "code_text": "T", "category_code": "first",
            "subject_target_type": "Patient", "subject_target_id": "p", "subject_reference": "Patient/p/_history/3",
            "subject_display": "P", "performer_reference": "urn:uuid:x", "effective_period_start": "2026",
            "effective_period_end": "2026-02", "value_quantity_value": 1.5, "value_quantity_unit": "kg",
            "value_quantity_code": "kg",
        }),
        ({"resourceType": "Patient", "id": "p", "active": False, "_gender": {"id": "x"}, "deceasedBoolean": True,
          "name": [{"given": ["A", None, "B"], "family": "F"}], "multipleBirthInteger": 2,
          "address": [{"line": ["L", "M"], "postalCode": "1"}]}, {
            "id": "p", "active": False, "deceased_boolean": True, "name_given": "A B", "name_family": "F",
            "multiple_birth_integer": 2, "address_line": "L, M", "address_postal_code": "1",
        }),
    ],
)  # fmt: skip
def test_rows(resource: Json, expected: Json) -> None:
    """A row has what there is: the first of what repeats, parts of what has parts; and all as JSON."""
    line = encode(resource)
    found = row(resource["resourceType"], line)
    assert found.pop("json") == line.decode()
    assert {name: value for name, value in found.items() if value is not None} == expected
    assert found.keys() <= {column.name for column in columns(resource["resourceType"])}


def test_numbers_beyond_floating_point() -> None:
    """A decimal that no floating-point number is near has no value in its column, and ends no table."""
    line = b'{"resourceType":"Observation","id":"o","valueQuantity":{"value":1e400,"unit":"kg"}}'
    found = row("Observation", line)
    assert (found.get("value_quantity_value"), found["value_quantity_unit"]) == (None, "kg")
    assert found["json"] == line.decode()


def test_names() -> None:
    """Names are those of the elements, in snake case."""
    assert [snake(one) for one in ("valueQuantity", "id", "birthDate")] == ["value_quantity", "id", "birth_date"]
