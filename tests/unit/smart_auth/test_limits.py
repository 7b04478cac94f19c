"""The table of limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from healix_fhir.kernel.errors import HealixError
from smart_auth.oauth import limits
from smart_auth.oauth.limits import RULES, By, Rule, changed_rules

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "limits.md"


def test_every_rule_is_documented() -> None:
    """The reference has a line for each rule, with its numbers, and none for others."""
    lines = [line.split("|") for line in REFERENCE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    told = {cells[1].strip().strip("`"): (cells[2].strip(), cells[3].strip()) for cells in lines}
    assert told == {name: (" and ".join(part.value for part in rule.by) or "all together", numbers(rule))
                    for name, rule in RULES.items()}  # fmt: skip


def numbers(rule: Rule) -> str:
    """A rule in the words of the reference."""
    told = f"{rule.quota} in {rule.window} s"
    return told if not rule.pause else f"{told}, then a pause of {rule.pause} s to {rule.longest} s"


def test_every_rule_can_be_changed() -> None:
    """All rules of the endpoints are in the table under names of their own."""
    every = [one for value in vars(limits).values() if isinstance(value, tuple) for one in value]
    named = {rule.name: rule for rule in every if isinstance(rule, Rule)}
    assert named == dict(RULES)


def test_strangers_hold_nobody_for_long() -> None:
    """What counts an account's guesses from everywhere spares the addresses that it knows, and never waits an hour."""
    everywhere = [rule for rule in RULES.values() if rule.by == (By.ACCOUNT,) and rule.guess and rule.pause]
    assert {rule.name for rule in everywhere} == {"login-account", "factor-account"}
    assert all(rule.familiar and rule.longest <= 3600 for rule in everywhere)


def test_changes() -> None:
    """The operator may change quota and window of rules by name."""
    changed = changed_rules("login=3/60, token-client=9000/60")
    assert (changed["login"].quota, changed["login"].window, changed["login"].pause) == (3, 60, 30)
    assert changed["token-client"].quota == 9000
    assert changed_rules("") == {}


@pytest.mark.parametrize("text", ["login", "login=0/60", "login=5", "log-in=5/60", "login=5/60;x", "login=-1/60"])
def test_what_is_no_change_is_refused_by_name(text: str) -> None:
    """A change that cannot be is refused with a line that names the setting."""
    with pytest.raises(HealixError, match="HEALIX_RATE_LIMITS"):
        changed_rules(text)
