"""Laws of FHIRPath on collections, logic, dates and numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healix_fhir.model.fhirpath.evaluate.compile import OPERATORS
from tests.support.fhirpath import found, one

ITEMS = st.one_of(
    st.integers(-3, 3).map("({})".format),
    st.sampled_from(["'a'", "'b'", "true", "1.0", "2.50", "@2014", "@2014-02", "1 'cm'", "10 'mm'", "@T10:00", "name"]),
)
COLLECTIONS = st.lists(ITEMS, max_size=5).map(
    lambda items: "{}" if not items else items[0] + "".join(f".combine({item})" for item in items[1:])
)
LOGIC = st.sampled_from(["true", "false", "{}"])
NAMES = {"resourceType": "Patient", "name": [{"family": "a"}, {"family": "b", "given": ["c"]}]}


def values(expression: str) -> list[object]:
    """What the expression finds, on a small patient."""
    return found(expression, NAMES)


@given(LOGIC, LOGIC)
def test_de_morgan(left: str, right: str) -> None:
    """Not (a and b) is not a or not b, in logic of three values; and the other way round."""
    assert one(f"({left} and {right}).not()") == one(f"{left}.not() or {right}.not()")
    assert one(f"({left} or {right}).not()") == one(f"{left}.not() and {right}.not()")
    assert one(f"{left} implies {right}") == one(f"{left}.not() or {right}")
    assert one(f"{left} xor {right}") == one(f"({left} or {right}) and ({left} and {right}).not()")


@given(COLLECTIONS, COLLECTIONS)
def test_union(left: str, right: str) -> None:
    """A union is idempotent, has no duplicates, is as large whichever side comes first, and is a distinct combine."""
    assert values(f"({left}) | ({left})") == values(f"({left}).distinct()")
    assert values(f"(({left}) | ({right})).isDistinct()") == [True]
    assert values(f"({left}) | ({right})") == values(f"({left}).combine({right}).distinct()")
    assert one(f"(({left}) | ({right})).count() = (({right}) | ({left})).count()", NAMES) is True


@given(COLLECTIONS, COLLECTIONS)
def test_intersection_and_exclusion(left: str, right: str) -> None:
    """What is intersected and what is excluded are the whole; both are of the left side."""
    common = f"({left}).intersect({right})"
    rest = f"({left}).exclude({right})"
    assert values(f"{common}.combine({rest}).distinct().count()") == values(f"({left}).distinct().count()")
    assert values(f"{common}.subsetOf({right})") == [True]
    assert values(f"{common}.intersect({rest})") == []
    assert values(f"({left}).subsetOf({right})") == values(f"({right}).supersetOf({left})")


@given(COLLECTIONS, st.integers(-2, 7))
def test_parts(items: str, number: int) -> None:
    """Taking and skipping part a collection; where(true), select($this) and repeat({}) are what they say."""
    assert values(f"({items}).take({number}).combine(({items}).skip({number}))") == values(items)
    assert values(f"({items}).where(true)") == values(items)
    assert values(f"({items}).where(false)") == []
    assert values(f"({items}).select($this)") == values(items)
    assert values(f"({items}).repeat({{}})") == []
    assert values(f"({items})[{number}]") == values(f"({items}).where($index = {number})")
    assert values(f"({items}).first().combine(({items}).tail())") == values(items)
    assert values(f"({items}).exists()") == values(f"({items}).empty().not()")
    assert values(f"({items}).count()") == values(f"({items}).aggregate($total + 1, 0)")


YEARS = st.integers(1, 9999)
CLOCKS = st.builds("{:02d}:{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
ZONES = st.sampled_from(["", "Z", "+02:00", "-09:30", "+14:00", "-12:00"])
DATES = st.one_of(
    YEARS.map("{:04d}".format),
    st.builds("{:04d}-{:02d}".format, YEARS, st.integers(1, 12)),
    st.dates().map(str),
    st.builds("{}T{}{}".format, st.dates(), CLOCKS, ZONES),
    st.builds("{}T{}{}".format, st.sampled_from(["2014-01-01", "2014-01-02"]), CLOCKS, ZONES),
).map("@{}".format)


@given(DATES, DATES)
def test_dates_are_ordered(left: str, right: str) -> None:
    """Order of dates is antisymmetric and agrees with equality; where one is open, all are."""
    less, more, equal = (one(f"{left} {name} {right}") for name in ("<", ">", "="))
    assert one(f"{right} > {left}") is less
    assert one(f"{right} = {left}") is equal
    assert (less is None) is (more is None) is (equal is None)
    if less is not None:
        assert [less, more, equal].count(True) == 1
        assert one(f"{left} <= {right}") is (less or equal)
        assert one(f"({left} | {right}).count()") == (1 if equal else 2)


@given(DATES, DATES, DATES)
def test_order_of_dates_is_transitive(first: str, second: str, third: str) -> None:
    """What is before a second that is before a third is before the third, or the answer is open."""
    if one(f"{first} < {second}") and one(f"{second} < {third}"):
        assert one(f"{first} < {third}") is not False


@given(st.dates(), st.integers(-4000, 4000), st.sampled_from(["days", "weeks", "hours", "'d'"]))
def test_days_are_added_and_taken_away(day: object, number: int, unit: str) -> None:
    """Adding a number of days and taking them away gives the same date, or one of them is out of range."""
    later = one(f"@{day} + {abs(number)} {unit}")
    if later is not None:
        assert one(f"(@{day} + {abs(number)} {unit}) - {abs(number)} {unit}") == str(day)
        assert one(f"@{day} <= @{later}") is True


NUMBERS = st.decimals(-1000, 1000, places=4).map(lambda number: f"({number:f})")


@pytest.mark.spec("FHIRPath N1 math")
@given(NUMBERS, NUMBERS)
def test_numbers(left: str, right: str) -> None:
    """Arithmetic is exact: what is added is taken away again, division with remainder is whole."""
    assert one(f"{left} + {right} - {right} = {left}") is True
    assert one(f"{left} * {right} = {right} * {left}") is True
    assert one(f"-({left}) + {left} = 0") is True
    if Decimal(right[1:-1]):
        assert one(f"({left} div {right}) * {right} + ({left} mod {right}) = {left}") is True
        assert one(f"({left} / {right}) * {right} ~ {left}") is True


@given(ITEMS, ITEMS)
def test_equal_items_have_equal_keys(left: str, right: str) -> None:
    """What is equal is one item of a union, and what is not equal, or open, is two."""
    same = one(f"({left}).first() = ({right}).first()", NAMES)
    assert one(f"(({left}).first() | ({right}).first()).count()", NAMES) == (1 if same else 2)


@given(COLLECTIONS.filter(lambda items: "name" not in items), st.sampled_from(sorted(OPERATORS)))
def test_operators_on_nothing(items: str, name: str) -> None:
    """With an empty side an operator has no answer, but for logic, membership, equivalence, union and `&`."""
    assert len(values(f"{{}} {name} {{}}")) <= 1
    if name in ("=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "div", "mod"):
        assert values(f"{{}} {name} ({items}).first()") == []
        assert values(f"({items}).first() {name} {{}}") == []
