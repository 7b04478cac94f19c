"""The statistics of $stats, against figures worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from healix_fhir.operation.figures import CODES, FIGURES, Measurement, figure, regression

START = datetime(2024, 1, 1, tzinfo=UTC)
SERIES = [Measurement(Decimal(value), START + timedelta(days=n)) for n, value in enumerate((2, 4, 4, 4, 5, 5, 7, 9))]


@pytest.mark.spec("FHIR R4 observation-operation-stats.html")
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("average", "5"),
        ("maximum", "9"),
        ("minimum", "2"),
        ("count", "8"),
        ("median", "4.5"),
        ("std-dev", "2.1380899353"),
        ("sum", "40"),
        ("variance", "4.57142857143"),
        ("20-percent", "4"),
        ("80-percent", "6.2"),
        ("4-lower", "4"),
        ("4-upper", "5.5"),
        ("4-dev", "0.75"),
        ("5-1", "4"),
        ("5-2", "4"),
        ("5-3", "5"),
        ("5-4", "6.2"),
        ("skew", "0.65625"),
        ("kurtosis", "2.78125"),
    ],
)
def test_each_statistic(code: str, expected: str) -> None:
    """Of eight values with the mean 5 and the standard deviation 2, whatever their order."""
    assert str(figure(code, SERIES)) == expected
    assert str(figure(code, SERIES[::-1])) == expected


def test_short_series() -> None:
    """Of one value there is no deviation, of none only a count; all alike have no skew."""
    one, none = SERIES[:1], SERIES[:0]
    assert {code for code in FIGURES if figure(code, one) is None} == {"std-dev", "variance", "skew", "kurtosis"}
    assert {code for code in FIGURES if figure(code, none) is not None} == {"count"}
    assert figure("skew", [Measurement(Decimal(3))] * 4) is None


@pytest.mark.spec("FHIR R4 observation-operation-stats.html")
def test_regression() -> None:
    """The line through points on a line is that line; one time alone has none."""
    line = [Measurement(Decimal("1.5") + 2 * n, START + timedelta(days=n)) for n in (3, 0, 1)]
    assert regression(line) == (Decimal(2), Decimal("1.5"))
    assert regression(SERIES[:1]) is None
    assert regression([Measurement(Decimal(n)) for n in range(3)]) is None


def test_the_codes_are_those_of_r4() -> None:
    """All 21 of the value set."""
    assert len(CODES) == 21
    assert len(set(CODES)) == 21


@pytest.mark.parametrize("size", ["1e30", "4.2e22", "-7e60"])
def test_large_numbers(size: str) -> None:
    """As base units make of small amounts of substance."""
    series = [Measurement(Decimal(size)), Measurement(Decimal(size) * 3)]
    assert figure("average", series) == Decimal(size) * 2
    assert "E" not in str(figure("variance", series))
