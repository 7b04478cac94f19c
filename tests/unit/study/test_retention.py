"""Until when a study is kept."""

from __future__ import annotations

from datetime import date

import pytest

from dicomweb.study.retention import Facts, Rule, kept_until

TEN = Rule("ten", 10)
CT = Rule("ct", 100, modalities=("CT", "MR"))
HERE = Rule("here", 200, institution="General")
CHILD = Rule("child", 10, until_age=28)
LONG_AGO = date(2020, 1, 1)


def facts(
    study: str | None = "20200101", birth: str | None = "20000229", modalities: tuple[str, ...] = ("CT",),
    institution: str | None = None, changed: date = LONG_AGO,
) -> Facts:  # fmt: skip
    """A study."""
    return Facts(study, birth, modalities, institution, changed)


@pytest.mark.parametrize(
    ("rules", "of", "expected"),
    [
        ([], facts(), None),
        ([CT], facts(modalities=("US",)), None),
        ([CT], facts(modalities=("US", "MR")), (date(2020, 4, 10), "ct")),
        ([TEN, CT], facts(), (date(2020, 4, 10), "ct")),
        ([CT, TEN], facts(), (date(2020, 4, 10), "ct")),
        ([HERE], facts(institution="Elsewhere"), None),
        ([HERE, CT], facts(institution=" GENERAL"), (date(2020, 7, 19), "here")),
        ([TEN], facts(), (date(2020, 1, 31), "ten")),  # it rests, however short the rule
        ([CT], facts(changed=date(2026, 1, 1)), (date(2026, 1, 31), "ct")),
        ([CT], facts(study=None), (date(2020, 4, 10), "ct")),
        ([CT], facts(study="20209999"), (date(2020, 4, 10), "ct")),
        ([CHILD], facts(), (date(2028, 2, 29), "child")),
        ([Rule("child", 10, until_age=27)], facts(), (date(2027, 3, 1), "child")),
        ([CHILD], facts(birth="19400101"), (date(2020, 1, 31), "child")),
        ([CHILD], facts(birth=None), None),
        ([CHILD, TEN], facts(birth="unknown"), None),
        ([Rule("ever", 200 * 366)], facts(study="99990101"), None),
        ([Rule("ever", 1, until_age=150)], facts(birth="99990101"), None),
    ],
)
def test_kept_until(rules: list[Rule], of: Facts, expected: tuple[date, str] | None) -> None:
    """The longest rule that speaks of a study decides; what cannot be told, and a study of no rule, stays."""
    assert kept_until(of, rules) == expected
