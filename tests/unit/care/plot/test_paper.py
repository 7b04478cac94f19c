"""The paper of an ECG strip."""

from __future__ import annotations

from healix_fhir.care.plot.chart import Chart, Role, Stroke, Words
from healix_fhir.care.plot.paper import paper


def traces(made: Chart) -> list[Stroke]:
    """The lines of a strip."""
    return [one for one in made.shapes if isinstance(one, Stroke) and one.role is Role.TRACE]


def test_a_second_is_25_mm_and_a_millivolt_10() -> None:
    """A step of 1 mV after a second stands 25 mm to the right and 10 mm higher, whatever the drawer's unit; rows hold
    six seconds.
    """
    for unit in (1.0, 2.5):
        made = paper([0.0] * 4 + [1.0] * 21, 0.25, unit)
        first, second = traces(made)
        (_, low), (right, high) = first.places[3:5]
        assert (right, round(low - high, 6)) == (25 * unit, 10 * unit)
        assert (made.width, len(first.places), len(second.places)) == (150 * unit, 24, 1)


def test_squares_are_of_1_and_5_mm() -> None:
    """Both directions have their lines, within the row, which holds the trace; the words say the scales."""
    made = paper([0.4, -0.3, 1.3], 0.04, 1.0)
    small = [one for one in made.shapes if isinstance(one, Stroke) and one.role is Role.SMALL]
    large = [one for one in made.shapes if isinstance(one, Stroke) and one.role is Role.LARGE]
    assert sorted({x for one in small for x, _ in one.places}) == [float(n) for n in range(151)]
    assert sorted({x for one in large for x, _ in one.places}) == [float(n) for n in range(0, 151, 5)]
    assert len({y for one in large for _, y in one.places}) == 6  # 15 mm up and 10 mm down
    assert next(one.text for one in made.shapes if isinstance(one, Words)) == "25 mm/s, 10 mm/mV"


def test_however_many_samples_the_places_are_bounded_and_no_peak_is_lost() -> None:
    """Of a minute of a thousand samples a second each column keeps its ends."""
    samples = [0.0] * 60_000
    samples[12_345], samples[12_346] = 2.0, -1.0
    made = paper(samples, 0.001, 1.0)
    assert sum(len(one.places) for one in traces(made)) <= 10 * 2 * 600
    peaks = [y for x, y in traces(made)[2].places if abs(x - 8.625) < 0.25]
    assert max(peaks) - min(peaks) == 30.0


def test_gaps_and_what_is_beyond() -> None:
    """Where there is no sample the line breaks; a voltage beyond the paper is drawn at its edge."""
    made = paper([0.1, None, 0.2, 20.0, -20.0], 0.04, 1.0)
    assert [len(one.places) for one in traces(made)] == [1, 3]
    heights = [y for one in traces(made) for _, y in one.places]
    assert max(heights) - min(heights) == 80.0
    assert all(0 <= y <= made.height for y in heights)
