"""Operators by the tables of FHIRPath N1: logic of three values, arithmetic, dates, order, equality, equivalence."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from tests.support.fhirpath import found, one

Table: TypeAlias = dict[tuple[str, str], bool | None]

VALUES = ("true", "false", "{}")
AND: Table = {("true", "true"): True, ("true", "false"): False, ("true", "{}"): None}
AND |= {("false", right): False for right in VALUES}
AND |= {("{}", "true"): None, ("{}", "false"): False, ("{}", "{}"): None}
OR: Table = {("false", "true"): True, ("false", "false"): False, ("false", "{}"): None}
OR |= {("true", right): True for right in VALUES}
OR |= {("{}", "true"): True, ("{}", "false"): None, ("{}", "{}"): None}
XOR: Table = {("true", "true"): False, ("true", "false"): True, ("false", "true"): True, ("false", "false"): False}
XOR |= {(left, right): None for left in VALUES for right in VALUES if "{}" in (left, right)}
IMPLIES: Table = {("true", "true"): True, ("true", "false"): False, ("true", "{}"): None}
IMPLIES |= {("false", right): True for right in VALUES}
IMPLIES |= {("{}", "true"): True, ("{}", "false"): None, ("{}", "{}"): None}


@pytest.mark.spec("FHIRPath N1 boolean-logic")
@pytest.mark.parametrize(("name", "table"), [("and", AND), ("or", OR), ("xor", XOR), ("implies", IMPLIES)])
def test_truth_tables(name: str, table: Table) -> None:
    """Each Boolean operator answers by its table of three values."""
    assert {pair: one(f"{pair[0]} {name} {pair[1]}") for pair in table} == table
    assert len(table) == 9


@pytest.mark.spec("FHIRPath N1 math")
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2", 3),
        ("1 + 2.5", Decimal("3.5")),
        ("0.1 + 0.2", Decimal("0.3")),
        ("'a' + 'b'", "ab"),
        ("'a' + {}", None),
        ("'a' & {}", "a"),
        ("{} & {}", ""),
        ("1 - 2", -1),
        ("-(1)", -1),
        ("-2147483648", -2147483648),
        ("+(1.5)", Decimal("1.5")),
        ("2147483647 + 1", None),
        ("-2147483648 - 1", None),
        ("3 * 4", 12),
        ("1 / 2", Decimal("0.5")),
        ("1 / 0", None),
        ("7 div 2", 3),
        ("-7 div 2", -3),
        ("7 mod 2", 1),
        ("-7 mod 2", -1),
        ("5.5 div 0.7", 7),
        ("5.5 mod 0.7", Decimal("0.6")),
        ("7 mod 0", None),
        ("5 'mg' + 2 'mg'", "7 'mg'"),
        ("1 'g' + 5 'mg'", "1.005 'g'"),
        ("1 'm' + 5 'mg'", None),
        ("5 'mg' - 2 'mg'", "3 'mg'"),
        ("5 '1' - 2", "3 '1'"),
        ("2 + 5 'mg'", None),
        ("5 'mg' * 2", "10 'mg'"),
        ("5 'mg' / 2", "2.5 'mg'"),
        ("6 'm' / 2 's' = 3 'm/s'", True),
        ("-(5 'mg')", "-5 'mg'"),
        ("1 week + 1 day = 8 days", True),
        ("3 months + 1 year = 15 months", True),
    ],
)
def test_arithmetic(expression: str, value: Any) -> None:
    """Numbers are exact; what overflows or divides by zero is empty; quantities keep or combine their units."""
    assert one(expression) == value


@pytest.mark.spec("FHIRPath N1 datetime-arithmetic")
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("@2014-01-31 + 1 month", "2014-02-28"),
        ("@2016-02-29 + 1 year", "2017-02-28"),
        ("@2016-02-29 - 4 years", "2012-02-29"),
        ("@2014 + 24 months", "2016"),
        ("@2014 + 23 months", "2015"),
        ("@2014 + 365 days", "2015"),
        ("@2014-03 + 45 days", "2014-04"),
        ("@2014-12-31 + 1 day", "2015-01-01"),
        ("@2014-01-01 - 1 week", "2013-12-25"),
        ("@2014-01-01 + 25 hours", "2014-01-02"),
        ("@2014-01-01T23 + 61 minutes", "2014-01-02T00"),
        ("@2014-01-01T23:59:59.999 + 1 millisecond", "2014-01-02T00:00:00.000"),
        ("@2014-01-01T00:00:00+02:00 - 0.5 seconds", "2013-12-31T23:59:59.5+02:00"),
        ("@T23:30 + 1 hour", "00:30"),
        ("@T00:30 - 1 hour", "23:30"),
        ("@T01:02:03.5 + 0.5 's'", "01:02:04.0"),
        ("@9999-12-31 + 1 day", None),
        ("@0001-01 - 1 month", None),
        ("@2014 + 5 'd'", "2014"),
        ("@2014-01-01 + {}", None),
        ("today() + 1 year", "2025-02-28"),
        ("now()", "2024-02-29T12:00:00.500Z"),
        ("timeOfDay()", "12:00:00.500"),
        ("now() = now()", True),
    ],
)
def test_dates_and_durations(expression: str, value: Any) -> None:
    """A date and a duration make a date of the same precision; the last day of a month stands for a missing one."""
    assert one(expression) == value


@pytest.mark.spec("FHIRPath N1 comparison")
@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        ("1", "2", -1),
        ("1", "1.0", 0),
        ("'a'", "'b'", -1),
        ("'B'", "'a'", -1),
        ("@2014", "@2015", -1),
        ("@2014", "@2014-05", None),
        ("@2014-01", "@2013-12-31", 1),
        ("@2014-01-01T10:00", "@2014-01-01T10:00:00", None),
        ("@2014-01-01T10:00:00", "@2014-01-01T10:00:00.0", 0),
        ("@2014-01-01T10:00:00Z", "@2014-01-01T11:00:00+01:00", 0),
        ("@2014-01-01T00:30:00+01:00", "@2013-12-31T23:30:01Z", -1),
        ("@2014-01-01T10:00:00Z", "@2014-01-01T10:00:00", None),
        ("@2014-01-01T10:00:00Z", "@2014-01-03T10:00:00", -1),
        ("@2014-01-01T00:00:00-10:00", "@2014-01-01T23:59:59", None),
        ("@T10:00", "@T11:00", -1),
        ("@T10", "@T10:30", None),
        ("1 'g'", "1000 'mg'", 0),
        ("1 'g'", "1 'm'", None),
        ("1 year", "13 months", -1),
        ("1 year", "400 days", None),
        ("{}", "1", None),
    ],
)
def test_order(left: str, right: str, order: int | None) -> None:
    """The four comparisons agree with one order, and are all empty where precision or units leave it open."""
    expected = {"<": order == -1, "<=": order in (-1, 0), ">": order == 1, ">=": order in (0, 1)}
    mirrored = {"<": order == 1, "<=": order in (0, 1), ">": order == -1, ">=": order in (-1, 0)}
    for name, answer in expected.items():
        assert one(f"{left} {name} {right}") == (None if order is None else answer), name
        assert one(f"{right} {name} {left}") == (None if order is None else mirrored[name]), name


@pytest.mark.spec("FHIRPath N1 equality")
@pytest.mark.parametrize(
    ("left", "right", "equal", "equivalent"),
    [
        ("1", "1.00", True, True),
        ("1", "'1'", False, False),
        ("1", "true", False, False),
        ("'Ab  c'", "'aB c'", False, True),
        ("1.25", "1.3", False, True),
        ("{}", "{}", None, True),
        ("{}", "1", None, False),
        ("(1 | 2)", "(2 | 1)", False, True),
        ("(1 | 2)", "(1 | 2 | 3)", False, False),
        ("@2014", "@2014-01", None, False),
        ("@2014-01-01", "@2014-01-01T", True, True),
        ("@2014", "@T10", False, False),
        ("@2014", "'2014'", False, False),
        ("1 'cm'", "10 'mm'", True, True),
        ("1 'cm'", "1 's'", None, False),
        ("1 year", "1 'a'", None, True),
        ("1 week", "7 'd'", True, True),
        ("1 'mg'", "1", None, False),
        ("2 '1'", "2.0", True, True),
        ("2 'mg'", "'2'", False, False),
    ],
)
def test_equality_and_equivalence(left: str, right: str, equal: bool | None, equivalent: bool) -> None:
    """`=` and `~` answer as their clauses say, both ways round, and `!=` and `!~` the opposite."""
    for one_side, other in ((left, right), (right, left)):
        assert one(f"{one_side} = {other}") is equal
        assert one(f"{one_side} != {other}") is (None if equal is None else not equal)
        assert one(f"{one_side} ~ {other}") is equivalent
        assert one(f"{one_side} !~ {other}") is not equivalent


@pytest.mark.spec("FHIRPath N1 collections-2")
@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("1 in (1 | 2)", [True]),
        ("3 in (1 | 2)", [False]),
        ("1 in {}", [False]),
        ("{} in (1 | 2)", []),
        ("(1 | 2) contains 2", [True]),
        ("{} contains 2", [False]),
        ("(1 | 2) contains {}", []),
        ("1 | 2 | 1.0", [1, 2]),
        ("{} | 1", [1]),
        ("1.combine(1) | {}", [1]),
    ],
)
def test_collections(expression: str, values: list[Any]) -> None:
    """Membership and union."""
    assert found(expression) == values


@pytest.mark.parametrize(
    "expression",
    [
        "1 + 'a'",
        "'a' - 'b'",
        "true + 1",
        "1 < 'a'",
        "@2014 < @T10",
        "true < false",
        "(1 | 2) + 1",
        "(1 | 2) < 3",
        "(1 | 2) and true",
        "(1 | 2) in (1 | 2)",
        "@2014 + 1",
        "@2014 + 1 'cm'",
        "@2014 + 1 'a'",
        "@T10 + 1 day",
        "1 & 'a'",
        "-'a'",
        "-true",
        "@2014-02-30",
        "@2014-13",
        "@T24",
        "@T10:60",
        "2147483648",
        "1 / 'a'",
        "1 div 'a'",
    ],
)
def test_wrong_operands_are_refused(expression: str) -> None:
    """Operands of the wrong type, several where one is due, and literals that do not exist are Invalid."""
    with pytest.raises(HealixError) as refusal:
        found(expression)
    assert refusal.value.category is Category.INVALID
    assert expression in refusal.value.message
