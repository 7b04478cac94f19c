"""What an administrator sees of the server: counts and states, and nothing of any patient."""

from __future__ import annotations

from dataclasses import dataclass

from healix_fhir.kernel.counting import MANY, count
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import ATTEMPTS


@dataclass(frozen=True, slots=True)
class Overview:
    """Numbers of now, each counted up to `MANY`. `stuck` events were tried as often as they are tried; `failed` jobs
    and `unsent` mails as well. Of more sessions than `MANY` (`many_sessions`) not all were looked at for who is there.
    """

    accounts: int
    clients: int
    tokens: int
    sessions: int
    many_sessions: bool
    waiting: int
    stuck: int
    jobs: int
    failed: int
    mails: int
    unsent: int


_NUMBERS = f"""SELECT {count("FROM account WHERE NOT disabled")}, {count("FROM client")},
  {count("FROM access_token WHERE NOT revoked AND expires > now()")}, s.people, s.looked >= {MANY},
  {count(f"FROM outbox WHERE attempts < {ATTEMPTS}")}, {count(f"FROM outbox WHERE attempts >= {ATTEMPTS}")},
  {count("FROM procrastinate_jobs WHERE status IN ('todo', 'doing')")},
  {count("FROM procrastinate_jobs WHERE status = 'failed'")},
  {count("FROM mail WHERE given_up IS NULL")}, {count("FROM mail WHERE given_up IS NOT NULL")}
FROM (SELECT count(DISTINCT username) FILTER (WHERE used > now() - interval '1 hour') AS people, count(*) AS looked
      FROM (SELECT username, used FROM session LIMIT {MANY}) x) s"""


def overview() -> Work[Overview]:
    """The numbers, with one statement."""
    rows = yield Statement(_NUMBERS)
    return Overview(*rows[0])
