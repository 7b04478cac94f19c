"""Laws of intervals, folding and token hashes that hold for every input."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from healix_fhir.search import tokens
from healix_fhir.search.dates import interval
from healix_fhir.search.strings import LIMIT, fold

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=ZONES)  # noqa: DTZ001 - zones are drawn
FORMS = ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f")


def written(moment: datetime, form: str) -> str:
    """`moment` as FHIR writes it: four digits of the year, the zone behind a time."""
    text = moment.strftime(form.replace("%Y", f"{moment.year:04d}"))
    return text + moment.isoformat()[-6:] if "T" in form else text


@given(MOMENTS, st.sampled_from(FORMS[3:]))
def test_an_interval_holds_its_moment(moment: datetime, form: str) -> None:
    """However coarsely a moment is written, the interval holds it."""
    found = interval(written(moment, form))
    assert found is not None
    lo, hi = found
    assert lo is not None
    assert hi is not None
    assert lo <= moment < hi
    assert lo.utcoffset() == timedelta(0)


@given(MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC)), st.integers(0, 4))
def test_less_precision_is_a_wider_interval(moment: datetime, place: int) -> None:
    """The interval of a date lies within that of the same date with one part less."""
    fine, coarse = interval(written(moment, FORMS[place + 1])), interval(written(moment, FORMS[place]))
    assert fine is not None
    assert coarse is not None
    assert None not in (*fine, *coarse)
    assert coarse[0] <= fine[0] < fine[1] <= coarse[1]  # type: ignore[operator]


@given(st.dates())
def test_days_meet(day: object) -> None:
    """The interval of a day ends where that of the next one begins: none overlap, nothing lies between."""
    found = interval(str(day))
    assert found is not None
    lo, hi = found
    assert lo is not None
    if hi is not None:
        assert interval(hi.date().isoformat()) == (hi, interval(hi.date().isoformat())[1])  # type: ignore[index]
        assert hi - lo == timedelta(days=1)


@given(st.text())
def test_intervals_are_total(text: str) -> None:
    """Any text has an interval or none, and never raises."""
    found = interval(text)
    assert found is None or found[0] is None or found[1] is None or found[0] < found[1]


@given(st.text())
def test_folding_is_idempotent(text: str) -> None:
    """What is folded folds to itself, so that a stored and a searched string meet."""
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_folding_forgets_case(text: str) -> None:
    """Case does not count, and the length is bounded."""
    assert fold(text.casefold()) == fold(text)
    assert len(fold(text)) <= LIMIT


SYSTEM = st.text(st.characters(exclude_categories=("Z", "C", "Cs")), min_size=1)
CODE = st.text(st.characters(codec="utf-8"), min_size=1)


@given(st.integers(1, 20_000), st.none() | SYSTEM, CODE)
def test_a_stored_token_is_found(param: int, system: str | None, code: str) -> None:
    """Whatever the characters of a token, each way of asking computes a hash that is stored, in any case."""
    stored = tokens.ways(param, system, code)
    assert tokens.any_system(param, code.casefold()) in stored
    if system is None:
        assert tokens.no_system(param, code.casefold()) in stored
    else:
        assert tokens.in_system(param, system, code.casefold()) in stored
        assert tokens.system_only(param, system) in stored
        assert tokens.no_system(param, code) not in stored


@given(SYSTEM, CODE, SYSTEM, CODE)
def test_system_and_code_do_not_run_together(system: str, code: str, other_system: str, other: str) -> None:
    """Two different pairs of system and code are never one token."""
    same = (system, code.casefold()) == (other_system, other.casefold())
    assert (tokens.in_system(1, system, code) == tokens.in_system(1, other_system, other)) is same
