"""Rules that are looked at by the clock: when for whom, as absence of readings is noticed by nothing else.

A row of `alert_look` says when a rule is looked at next for a patient. For a rule that is not a patient's own these are
the patients of whom there has been a reading that it asks for: who never had the device is not missing it. For a
patient's own rule the first look is when the time that it looks back is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from healix_fhir.care.alerts.assess import Case, assess
from healix_fhir.care.alerts.book import Book, Held
from healix_fhir.care.alerts.clinic import Clinic
from healix_fhir.care.alerts.failures import tell_failures
from healix_fhir.care.alerts.observed import Observed, hashes
from healix_fhir.care.alerts.settle import settle
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.fhirpath.engine import root
from healix_fhir.model.json import decode_stored

BATCH = 200
PUT = """INSERT INTO alert_look (rule, pat, due)
         SELECT * FROM unnest(%s::text[], %s::bigint[], %s::timestamptz[]) ORDER BY 1, 2
         ON CONFLICT (rule, pat) DO NOTHING"""


def begin(book: Book, sources: Sequence[str], moment: datetime) -> Work[None]:
    """Look at the rules of changed sources from now on, and no more at those that are gone."""
    held = [one for source in sources for one in book.of(source) if one.rule.period is not None]
    yield Statement(
        "DELETE FROM alert_look WHERE split_part(rule, '#', 1) = ANY(%s) AND rule <> ALL(%s)",
        (list(sources), [one.key for one in held]),
    )
    for one in held:
        if one.own:
            pats = sorted(one.pats or ())
            yield Statement(PUT, ([one.key] * len(pats), pats, [moment + one.rule.window] * len(pats)))
        else:
            yield _measured(one, moment)


def _measured(held: Held, moment: datetime) -> Statement:
    """Look at a rule for all patients of whom there are readings."""
    among = "TRUE" if held.pats is None else "t.pat = ANY(%s)"
    return Statement(
        f"""INSERT INTO alert_look (rule, pat, due)
            SELECT DISTINCT %s, t.pat, %s::timestamptz FROM index_token t WHERE t.h = ANY(%s) AND t.pat >= 0 AND {among}
            ON CONFLICT (rule, pat) DO NOTHING""",
        (
            held.key,
            moment,
            hashes([code for _, code in held.rule.codes]),
            *([] if held.pats is None else [sorted(held.pats)]),
        ),
        prepare=False,
    )


def expect(book: Book, came: Sequence[Observed], moment: datetime) -> Work[None]:
    """From the first reading on, look for the next ones."""
    wanted = {
        (held.key, one.pat): held
        for one in came
        for held in book.concerning(one.codings, one.pat)
        if held.rule.period is not None and (held.pats is None or one.pat in held.pats)
    }
    if wanted:
        due = [moment + held.rule.period for held in wanted.values() if held.rule.period is not None]
        yield Statement(PUT, ([key for key, _ in wanted], [pat for _, pat in wanted], due))


def look(book: Book, clinic: Clinic, moment: datetime) -> Work[int]:
    """Look at what is due; how much that was."""
    rows = yield Statement(
        "SELECT rule, pat FROM alert_look WHERE due <= %s ORDER BY due, rule, pat LIMIT %s FOR UPDATE SKIP LOCKED",
        (moment, BATCH),
    )
    if not rows:
        return 0
    yield from book.load()
    found = [(book.find(rule), pat) for rule, pat in rows]
    there = [(held, pat) for held, pat in found if held is not None and held.rule.period is not None]
    gone = {tuple(row) for row in rows} - {(held.key, pat) for held, pat in there}
    if gone:
        yield Statement(
            "DELETE FROM alert_look l USING unnest(%s::text[], %s::bigint[]) AS x (rule, pat)"
            " WHERE l.rule = x.rule AND l.pat = x.pat",
            ([rule for rule, _ in gone], [pat for _, pat in gone]),
        )
    asked = yield from _cases(there, moment)
    assessed, failed = yield from assess(asked)
    yield from settle(assessed, clinic, moment)
    yield from tell_failures(failed)
    yield Statement(
        """UPDATE alert_look l SET due = x.due
           FROM unnest(%s::text[], %s::bigint[], %s::timestamptz[]) AS x (rule, pat, due)
           WHERE l.rule = x.rule AND l.pat = x.pat""",
        (
            [held.key for held, _ in there],
            [pat for _, pat in there],
            [moment + held.rule.period for held, _ in there if held.rule.period is not None],
        ),
    )
    return len(rows)


def _cases(there: Sequence[tuple[Held, int]], moment: datetime) -> Work[list[Case]]:
    """The rules with the Patients whom they are looked at for; those who are gone or not active have none."""
    patients = yield Statement(
        """SELECT k.pat, r.body FROM patient_key k JOIN resource r ON r.type = %s AND r.id = k.id AND NOT r.deleted
           WHERE k.pat = ANY(%s)""",
        (TYPE_ID["Patient"], sorted({pat for _, pat in there})),
    )
    named = {pat: decode_stored(bytes(body)) for pat, body in patients}
    return [
        Case(held, pat, moment, root(named[pat]))
        for held, pat in there
        if pat in named and _alive(named[pat]) and held.concerns(pat, moment)
    ]


def _alive(patient: dict[str, object]) -> bool:
    return (
        patient.get("active") is not False and not patient.get("deceasedBoolean") and "deceasedDateTime" not in patient
    )
