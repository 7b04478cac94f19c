"""The values that workitems are found by."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from dicomweb.dicomjson.reading import checked
from dicomweb.workitem.keys import Key, keys, moments
from tests.support.workitems import code, members

EAST = timezone(timedelta(hours=1))


@pytest.mark.spec("PS3.5 6.2")
@pytest.mark.parametrize(
    ("value", "first", "last"),
    [
        ("2024", "20240101000000000000", "20241231235959999999"),
        ("202402", "20240201000000000000", "20240229235959999999"),
        ("202412", "20241201000000000000", "20241231235959999999"),
        ("20240229", "20240229000000000000", "20240229235959999999"),
        ("2024022923", "20240229230000000000", "20240229235959999999"),
        ("202402292359", "20240229235900000000", "20240229235959999999"),
        ("20240229235958", "20240229235958000000", "20240229235958999999"),
        ("20240229235958.25", "20240229235958250000", "20240229235958259999"),
        ("20240101003000+0100", "20231231233000000000", "20231231233000999999"),
        ("20231231233000-0030", "20240101000000000000", "20240101000000999999"),
    ],
)
def test_a_moment_lasts_as_long_as_it_is_imprecise(value: str, first: str, last: str) -> None:
    """First and last microsecond, in UTC."""
    assert moments(value, UTC) == (first, last)


def test_a_moment_without_a_zone_is_in_that_of_its_data_set() -> None:
    """Timezone Offset From UTC counts where the value itself has no offset."""
    assert moments("20240101003000", EAST) == moments("20240101003000+0100", UTC)


@pytest.mark.parametrize("value", ["20240230", "00000101", "99991231", "x", "20240101-", "2024010125"])
def test_what_is_no_moment_of_the_calendar_is_none(value: str) -> None:
    """Nothing is raised for what senders write; the last day of all has no end."""
    assert moments(value, UTC) is None


def test_every_value_is_there_in_the_form_that_is_compared() -> None:
    """Names by component group and folded, numbers in one spelling, sequences by path and item."""
    dataset = checked(
        members(
            PatientName=[{"Alphabetic": "Müller^Änne", "Ideographic": "山田^太郎"}],
            ScheduledStationNameCodeSequence=[code("A", "X"), code("B", "X")],
            PatientWeight=["70.50"],
            ScheduledProcedureStepStartDateTime="2024010100",
            CommentsOnTheScheduledProcedureStep=None,
        )
    )
    station = "00404025"
    assert set(keys(dataset)) == {
        Key("00100010", (), "muller^anne"),
        Key("00100010", (), "山田^太郎"),
        *(Key("00100010~", (), word) for word in ("muller", "mueller", "anne", "aenne", "山田", "太郎", "山田太郎")),
        Key("00101030", (), "70.5"),
        Key("00404005", (), "20240101000000000000"),
        *(
            Key(f"{station}.{tag}", (number,), value)
            for number, first in enumerate("AB")
            for tag, value in (("00080100", first), ("00080102", "X"), ("00080104", "a code"))
        ),
    }
