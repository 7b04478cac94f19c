"""$lastn: which observations are of one code, and which are the newest."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from healix_fhir.model.json import encode
from healix_fhir.operation.lastn import newest
from healix_fhir.search.matched import Matched

T = [datetime(2024, 1, day, tzinfo=UTC) for day in range(1, 10)]


def seen(id_: str, codes: str, date: datetime | None, *, subject: str = "Patient/p") -> Matched:
    """An observation with codings, or in quotes a text."""
    code = (
        {"text": codes.strip("'")}
        if codes.startswith("'")
        else {"coding": [{"system": "s", "code": one} for one in codes.split(",")]}
    )
    return Matched(date, id_, encode({"resourceType": "Observation", "code": code, "subject": {"reference": subject}}))


@pytest.mark.spec("FHIR R4 observation-operation-lastn.html")
@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["a", "b", "c"], "0 1 2"),
        (["a", "b", "a,c"], "0 1"),
        (["a", "b", "a,b"], "0"),
        (["'textM'", "'Text'", "'t e x t'"], "0 1 2"),
        (["a", "b", "c", "b,c", "d,a"], "0 1"),
    ],
)
def test_codes_are_equivalent_when_they_share_a_coding(codes: list[str], expected: str) -> None:
    """The examples of the operation: translations are equal, and what is equal to the same is equal."""
    found = [seen(str(n), code, T[8 - n]) for n, code in enumerate(codes)]
    assert " ".join(one.id for one in newest(found, 1)) == expected


@pytest.mark.spec("FHIR R4 observation-operation-lastn.html")
def test_the_newest_of_each_and_those_of_the_same_time() -> None:
    """As many of each group as asked for, the newest first; more where the last ones are of one time."""
    found = [
        seen("a1", "a", T[5]),
        seen("a2", "a", T[4]),
        seen("b1", "b", T[4]),
        seen("a3", "a", T[4]),
        seen("a4", "a", T[3]),
        seen("other", "a", T[2], subject="Patient/q"),
        seen("n1", "n", None),
        seen("n2", "n", None),
    ]
    assert [one.id for one in newest(found, 1)] == ["a1", "b1", "other", "n1"]
    assert [one.id for one in newest(found, 2)] == ["a1", "a2", "b1", "a3", "other", "n1", "n2"]
    assert newest([], 3) == []


def test_what_has_no_code_joins_nothing() -> None:
    """A coding without a code makes no two observations one, nor do two that have neither code nor text."""
    said = {"display": "only words"}
    codes = [{"coding": [{"system": "s", "code": one}, said]} for one in ("a", "b")] + [{"coding": [said]}] * 2
    found = [
        Matched(T[8 - n], str(n), encode({"resourceType": "Observation", "code": code})) for n, code in enumerate(codes)
    ]
    assert [one.id for one in newest(found, 1)] == ["0", "1", "2", "3"]
