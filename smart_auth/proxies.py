"""For whom a patient's account acts: links to RelatedPersons, which the operator makes and takes back.

A link says who a person is, the RelatedPerson for which patient and how long. Nobody is let in by a resource alone:
neither `Person.link` nor `Patient.link` counts, for apps may write those.
"""

from __future__ import annotations

from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import OPERATOR, AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import invalid
from smart_auth.person import PROXY
from smart_auth.store import CHANNEL, find_account

MOST = 50
"""Most links of an account."""


def link(username: str, related_person: str) -> Work[None]:
    """Let a patient's account act as `RelatedPerson/ID`. Raises Invalid for what is no such account or reference."""
    name = yield from _patients_account(username)
    kind, _, id_ = related_person.partition("/")
    if kind != PROXY or not ids.is_logical_id(id_):
        raise invalid(f"an account acts for patients as {PROXY}/ID, not '{related_person[:80]}'", code="value")
    rows = yield Statement(
        f"""WITH made AS (
              INSERT INTO account_link (username, related_person)
              SELECT %(name)s, %(as)s WHERE (SELECT count(*) FROM account_link WHERE username = %(name)s) < %(most)s
              ON CONFLICT (username, related_person) DO UPDATE SET related_person = excluded.related_person
              RETURNING 1)
            SELECT pg_notify('{CHANNEL}', '') FROM made""",
        {"name": name, "as": related_person, "most": MOST},
    )
    if not rows:
        raise invalid(f"an account acts for at most {MOST} patients")
    yield _told("C", name, related_person)


def unlink(username: str, related_person: str) -> Work[bool]:
    """Take a link back, at once in every process; False when there is none."""
    name = username.strip().lower()
    rows = yield Statement(
        f"""WITH gone AS (DELETE FROM account_link WHERE username = %s AND related_person = %s RETURNING 1)
            SELECT pg_notify('{CHANNEL}', '') FROM gone""",
        (name, related_person),
    )
    if rows:
        yield _told("D", name, related_person)
    return bool(rows)


def _told(action: str, name: str, related_person: str) -> Statement:
    return record([AuditRow(OPERATOR, action, "account-link", entity=f"account/{name}", query=related_person)])


def _patients_account(username: str) -> Work[str]:
    found = yield from find_account(username)
    if found is None:
        raise invalid(f"there is no account '{username[:64]}'", code="not-found")
    if found[0].role != "patient":
        raise invalid("only accounts with the role patient act for patients", code="value")
    return found[0].username
