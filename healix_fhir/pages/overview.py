"""What an administrator sees of the server: counts and states, and nothing of any patient."""

from __future__ import annotations

from dataclasses import dataclass

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import ATTEMPTS


@dataclass(frozen=True, slots=True)
class Overview:
    """Numbers of now. `stuck` events were tried as often as they are tried; `failed` jobs and `unsent`
    mails as well.
    """

    accounts: int
    clients: int
    tokens: int
    sessions: int
    waiting: int
    stuck: int
    jobs: int
    failed: int
    mails: int
    unsent: int


def overview() -> Work[Overview]:
    """The numbers, with one statement."""
    rows = yield Statement(
        """SELECT (SELECT count(*) FROM account WHERE NOT disabled),
                  (SELECT count(*) FROM client),
                  (SELECT count(*) FROM access_token WHERE NOT revoked AND expires > now()),
                  (SELECT count(DISTINCT username) FROM session WHERE used > now() - interval '1 hour'),
                  (SELECT count(*) FROM outbox WHERE attempts < %s),
                  (SELECT count(*) FROM outbox WHERE attempts >= %s),
                  (SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')),
                  (SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'),
                  (SELECT count(*) FROM mail WHERE given_up IS NULL),
                  (SELECT count(*) FROM mail WHERE given_up IS NOT NULL)""",
        (ATTEMPTS, ATTEMPTS),
    )
    return Overview(*rows[0])
