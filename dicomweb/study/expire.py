"""Deleting the studies whose time is over by the retention rules, or telling which these are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec
from psycopg import Connection

from dicomweb.study.delete import delete
from dicomweb.study.retention import Facts, Rule, kept_until, ruled_until, rules
from healix_fhir.kernel.database import Row, Statement, Work, run
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import internal

EXPIRED = "113039"
WORD = "expire-instances"
BATCH = 1000
PASSED_OVER = (Category.CONFLICT, Category.NOT_FOUND, Category.GONE)
"""Held, or gone, since it was looked at."""


LOOKED_AT = 20
"""Batches that an outlook goes over: somebody waits for it."""


class Expired(msgspec.Struct, frozen=True):
    """A study whose time is over: the last day on which it was kept, and by which rule."""

    study: str
    patient: str | None
    study_date: str | None
    instances: int
    until: date
    rule: str


_STUDIES = """
SELECT s.pk, s.study_uid, k.id, s.study_date, s.patient_birth_date, s.modalities, s.institution_name, s.updated,
       s.instance_count
FROM study s LEFT JOIN patient_key k ON k.pat = s.pat
WHERE s.pk > %s AND coalesce(s.pat, 0) >= 0 AND NOT EXISTS (SELECT FROM study_hold h WHERE h.study_uid = s.study_uid)
ORDER BY s.pk LIMIT %s"""
"""The copies of research projects are their project's to remove."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the rules would delete today: how many `studies`, the `first` of them, and how many others are `resting`
    although their time is over, since they have changed lately. Not `whole` where there are more than it looked at.
    """

    studies: int
    first: Sequence[Expired]
    resting: int
    whole: bool


def over(connection: Connection[Row], today: date) -> Iterator[Expired]:
    """The studies whose time is over, in batches of one statement each; those under hold are none."""
    return (one for one in judged(connection, today) if one.until < today)


def judged(connection: Connection[Row], today: date) -> Iterator[Expired]:
    """The same, with those that rest: their last day is yet to come."""
    found = run(connection, rules())
    after = 0
    while found:
        rows = run(connection, _batch(after))
        if not rows:
            return
        after = rows[-1][0]
        yield from (one for row in rows if (one := _judged(row, found, today)) is not None)


def outlook(today: date, most: int) -> Work[Outlook]:
    """What the rules would delete today, with `most` of the studies."""
    found = yield from rules()
    all_: list[Expired] = []
    after, batches = 0, 0
    rows: list[Row] = []
    while found and batches < LOOKED_AT:
        rows = yield from _batch(after)
        if not rows:
            break
        after, batches = rows[-1][0], batches + 1
        all_ += (one for row in rows if (one := _judged(row, found, today)) is not None)
    going = [one for one in all_ if one.until < today]
    return Outlook(len(going), going[:most], len(all_) - len(going), whole=len(rows) < BATCH)


def _batch(after: int) -> Work[list[Row]]:
    rows = yield Statement(_STUDIES, (after, BATCH))
    return rows


def _judged(row: Row, found: list[Rule], today: date) -> Expired | None:
    _, study, patient, study_date, birth, modalities, institution, updated, instances = row
    facts = Facts(study_date, birth, modalities, institution, updated.date())
    ruled, kept = ruled_until(facts, found), kept_until(facts, found)
    if ruled is None or kept is None or ruled[0] >= today:
        return None
    return Expired(study, patient, study_date, instances, *kept)


def expire(connection: Connection[Row], today: date) -> Iterator[Expired]:
    """Delete the studies whose time is over, each in a transaction of its own; they can be restored for a while."""
    for one in over(connection, today):
        try:
            with connection.transaction():
                run(connection, delete(internal("retention"), one.study, code=EXPIRED, word=WORD))
        except HealixError as error:
            if error.category not in PASSED_OVER:
                raise
        else:
            yield one
