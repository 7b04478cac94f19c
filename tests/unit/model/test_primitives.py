"""The primitive types: what each admits, restated from the data types page."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from healix_fhir.model.primitives import KNOWN_LENGTH, KNOWN_LIMIT, PRIMITIVES, fault

GOOD: dict[str, list[Any]] = {
    "base64Binary": ["AA==", "AAAA", "AAA=", "AA AA\n", "+/+/"],
    "boolean": [True, False],
    "canonical": ["http://example.org/a|1.0", "#x", "urn:oid:1.2"],
    "code": ["a", "a b", "final", "/min", "{score}"],
    "date": ["2024", "2024-12", "2024-12-31", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"],
    "dateTime": ["2024", "2024-02-29T23:59:60Z", "2024-01-01T00:00:00.123456+14:00", "1915-06-30T12:30:15-05:00"],
    "decimal": [0, -5, Decimal("1.50"), Decimal("1E-10"), 10**30],
    "id": ["a", "A-1.b", "x" * 64],
    "instant": ["2024-01-01T00:00:00Z", "2015-02-07T13:28:17.239+02:00"],
    "integer": [0, -2147483648, 2147483647],
    "markdown": ["# a\n\n* b", "x\ty"],
    "oid": ["urn:oid:1.2.36.146", "urn:oid:2.0"],
    "positiveInt": [1, 2147483647],
    "string": ["a", " ", "a\r\n\tb", "é 😀", "x" * 1048576],
    "time": ["00:00:00", "23:59:60", "12:30:15.5"],
    "unsignedInt": [0, 2147483647],
    "uri": ["http://example.org/", "urn:uuid:x", "relative", "x" * 500],
    "url": ["https://example.org/a?b#c", "mailto:a@b.c"],
    "uuid": ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
    "xhtml": ['<div xmlns="http://www.w3.org/1999/xhtml">x</div>'],
}
BAD: dict[str, list[Any]] = {
    "base64Binary": ["", "A", "AAA", "====", "AA==AA==", "A*AA", " ", "é", 5, None],
    "boolean": ["true", 0, 1, None, []],
    "canonical": ["", "a b", " a", 5],
    "code": ["", " a", "a ", "a  b", "a\n b", 5, True, None, [], {}],
    "date": ["", "24", "2024-1", "2024-13", "2024-00", "2024-04-31", "2023-02-29", "1900-02-29", "0000-01-01",
             "2024-12-32", "2024-01-01T00:00:00Z", "2024-01-01 ", "2024-01-01\n", "\uff12024", "20240101", 2024, None],
    "dateTime": ["2024-01-01T00:00Z", "2024-01-01T00:00:00", "2024-01T00:00:00Z", "2024-01-01T24:00:00Z",
                 "2024-01-01T00:60:00Z", "2024-02-30T00:00:00Z", "2024-01-01T00:00:00+14:30", "2024-01-01T00:00:00.Z",
                 "2024-01-01t00:00:00z", 1],
    "decimal": ["1", True, None, 1.5, float("nan")],
    "id": ["", "a_b", "a/b", "x" * 65, "é", "a\n", 5],
    "instant": ["2024", "2024-01-01", "2024-01-01T00:00:00", "2023-02-29T00:00:00Z", 5],
    "integer": [2147483648, -2147483649, "1", Decimal("1.0"), True, None],
    "markdown": ["", "a\x0bb", "\ufffe", 5],
    "oid": ["urn:oid:3.1", "1.2.3", "urn:oid:1.02", "urn:oid:1", ""],
    "positiveInt": [0, -1, 2147483648, "1", True],
    "string": ["", "\x00", "a\x01b", "\uffff", "a\x1f", "x" * 1048577, 5, True, None, ["a"], {"a": 1}, Decimal(1)],
    "time": ["24:00:00", "12:30", "12:30:15Z", "12:60:00", 5],
    "unsignedInt": [-1, Decimal(1), "0"],
    "uri": ["", "a b", "a\x00", 5],
    "url": ["", "a b", None],
    "uuid": ["urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:1"],
    "xhtml": ["", "x", "<p>x</p>", 5],
}  # fmt: skip


def test_every_primitive_is_covered() -> None:
    """The tables above name every primitive type."""
    assert GOOD.keys() == BAD.keys() == PRIMITIVES.keys()


@pytest.mark.spec("FHIR R4 datatypes.html#primitive")
@pytest.mark.parametrize("type_name", sorted(GOOD))
def test_good_values(type_name: str) -> None:
    """Values that the type admits, twice because good ones are remembered."""
    for value in [*GOOD[type_name], *GOOD[type_name]]:
        assert fault(type_name, value) is None, value


@pytest.mark.spec("FHIR R4 datatypes.html#primitive")
@pytest.mark.parametrize("type_name", sorted(BAD))
def test_bad_values(type_name: str) -> None:
    """Values that the type refuses, with a code that tells form from JSON type."""
    for value in BAD[type_name]:
        problem = fault(type_name, value)
        assert problem is not None, value
        assert problem[0] == ("value" if type(value) in PRIMITIVES[type_name].json else problem[0])


def test_memory_of_good_values_is_bounded() -> None:
    """However many different values come, few short ones are kept."""
    valid: Any = PRIMITIVES["uri"].valid
    for number in range(KNOWN_LIMIT * 2):
        assert valid(f"urn:x:{number}")
    assert valid("u" * (KNOWN_LENGTH + 1))
    known = valid.__self__
    assert len(known) <= KNOWN_LIMIT
    assert all(len(text) <= KNOWN_LENGTH for text in known)
