"""Retention rules: until when a study is kept.

The rule that keeps a study longest decides; a study of which no rule speaks is kept for ever. Years are counted from
the study's date, or from when it came where it has none, and no study goes that has changed within `REST` days: what
was just brought over from another archive is seen by somebody first.

Spec: IHE RAD TF-2 4.66 (113039, DCM, "Data Retention Policy Expired"); PS3.16 CID 7011 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import msgspec

from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import forbidden, invalid, not_found
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

WORD = "retention-rule"
REST = 30
LONGEST_DAYS, OLDEST, LONGEST_NAME = 200 * 366, 150, 64


class Rule(msgspec.Struct, frozen=True):
    """Studies of some `modalities` and of an `institution` (None: of any) are kept for `days`, and at least until the
    patient is `until_age` years old; for ever where that cannot be told.
    """

    name: str
    days: int
    modalities: tuple[str, ...] | None = None
    institution: str | None = None
    until_age: int | None = None


class Facts(msgspec.Struct, frozen=True):
    """What rules ask of a study; dates as DICOM writes them."""

    study_date: str | None
    birth_date: str | None
    modalities: Sequence[str]
    institution: str | None
    changed: date


def kept_until(facts: Facts, rules: Iterable[Rule]) -> tuple[date, str] | None:
    """The last day on which a study is kept, and the rule that says so; None where it is kept for ever."""
    ruled = ruled_until(facts, rules)
    return (max(ruled[0], facts.changed + timedelta(days=REST)), ruled[1]) if ruled is not None else None


def ruled_until(facts: Facts, rules: Iterable[Rule]) -> tuple[date, str] | None:
    """The same by the rules alone, whenever the study has changed."""
    found = [(until(facts, rule), rule.name) for rule in rules if applies(facts, rule)]
    if not found or any(day is None for day, _ in found):
        return None
    return max((day, name) for day, name in found if day is not None)


def applies(facts: Facts, rule: Rule) -> bool:
    """Whether a rule speaks of a study: of several modalities, one is enough."""
    if rule.modalities is not None and not set(rule.modalities) & set(facts.modalities):
        return False
    return rule.institution is None or rule.institution.casefold() == (facts.institution or "").strip().casefold()


def until(facts: Facts, rule: Rule) -> date | None:
    """The last day by one rule; None for ever."""
    last = later(day(facts.study_date) or facts.changed, rule.days)
    if rule.until_age is None:
        return last
    born = day(facts.birth_date)
    if born is None or last is None:
        return None
    grown = birthday(born, rule.until_age)
    return max(last, grown) if grown is not None else None


def later(start: date, days: int) -> date | None:
    """The day so many days later; None past the end of the calendar."""
    try:
        return start + timedelta(days=days)
    except OverflowError:
        return None


def birthday(born: date, age: int) -> date | None:
    """When somebody becomes `age`; None past the end of the calendar."""
    year = born.year + age
    if year > date.max.year:
        return None
    try:
        return born.replace(year=year)
    except ValueError:  # the 29th of February
        return date(year, 3, 1)


def day(value: str | None) -> date | None:
    """A DA value as a day; None when it is none."""
    if value is None or len(value) != 8 or not value.isascii() or not value.isdecimal():
        return None
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return None


def rules() -> Work[list[Rule]]:
    """The rules, by name."""
    rows = yield Statement("SELECT name, days, modalities, institution, until_age FROM retention_rule ORDER BY name")
    return [Rule(name, days, tuple(of) if of is not None else None, at, age) for name, days, of, at, age in rows]


def put(access: AccessContext, rule: Rule) -> Work[None]:
    """Add a rule, or put it in the place of the one of its name; audited. Raises Invalid, Forbidden."""
    _require(access)
    _check(rule)
    yield Statement(
        """INSERT INTO retention_rule AS r (name, days, modalities, institution, until_age) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET days = excluded.days, modalities = excluded.modalities,
             institution = excluded.institution, until_age = excluded.until_age""",
        (rule.name, rule.days, list(rule.modalities) if rule.modalities else None, rule.institution, rule.until_age),
    )
    yield record([AuditRow(access.origin, "U", WORD, query=msgspec.json.encode(rule).decode())])


def remove(access: AccessContext, name: str) -> Work[None]:
    """Remove a rule; audited. Raises NotFound, Forbidden."""
    _require(access)
    rows = yield Statement("DELETE FROM retention_rule WHERE name = %s RETURNING name", (name.replace("\0", ""),))
    if not rows:
        raise not_found(f"there is no retention rule '{name[:LONGEST_NAME]}'")
    yield record([AuditRow(access.origin, "D", WORD, query=name)])


def _check(rule: Rule) -> None:
    if not 0 < len(rule.name) <= LONGEST_NAME or not rule.name.isprintable():
        raise invalid(f"the name of a retention rule has 1 to {LONGEST_NAME} characters")
    if not 0 < rule.days <= LONGEST_DAYS:
        raise invalid(f"a retention rule keeps for 1 to {LONGEST_DAYS} days")
    if rule.until_age is not None and not 0 < rule.until_age <= OLDEST:
        raise invalid(f"until_age is 1 to {OLDEST} years")
    if any(not one.isascii() or not one.isprintable() or len(one) > 16 for one in rule.modalities or ()):
        raise invalid("a modality has at most 16 characters, such as CT")


def _require(access: AccessContext) -> None:
    if not access.sees_all("ImagingStudy", Permission.DELETE):
        raise forbidden("retention rules need system access to ImagingStudy")
