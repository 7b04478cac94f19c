"""What of a series is drawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from healix_fhir.care.plot.series import Value, runs, thinned

START = datetime(2026, 3, 1, tzinfo=UTC)


def _values(*hours_and_values: tuple[float, float]) -> list[Value]:
    return [Value(START + timedelta(hours=hours), value) for hours, value in hours_and_values]


def test_a_line_is_broken_where_nothing_was_measured() -> None:
    """Values more than four times as far apart as usual, and than an hour, are not joined."""
    values = _values((0, 1), (1, 2), (2, 3), (6.5, 4), (7.5, 5))
    assert [[value.value for value in run] for run in runs(values)] == [[1, 2, 3], [4, 5]]
    assert [len(run) for run in runs(_values((0, 1), (0.01, 2), (0.9, 3)))] == [3]
    assert list(runs([])) == []


def test_thinning_keeps_what_is_seen() -> None:
    """Of values on one place the first, the lowest, the highest and the last are kept, in order of time."""
    values = _values((0, 5), (0.1, 9), (0.2, 6), (0.3, 1), (0.4, 4), (1, 7))
    kept = thinned(values, lambda value: (value.at - START).total_seconds() / 3600)
    assert [value.value for value in kept] == [5, 9, 1, 4, 7]
    assert thinned([], lambda _: 0.0) == ()
