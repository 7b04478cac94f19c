"""What ends when an account's password changes, or somebody signs out elsewhere.

Spec: OWASP ASVS 5.0 7.4.3, 7.5.2; RFC 9700 4.14.2
"""

from __future__ import annotations

from healix_fhir.kernel.database import Statement, Work
from smart_auth.oauth.tokens import end_online
from smart_auth.store import CHANNEL


def end_apps(username: str) -> Work[None]:
    """End every grant and every token of an account, at once in every process, also those on their way.

    What was decided about apps is forgotten, so that none comes back without being asked for: another may have decided.
    The grants are locked first, as by every exchange: what a refresh in progress makes is ended too.
    """
    yield Statement(
        """WITH open AS (SELECT id FROM app_grant WHERE username = %s AND ended IS NULL ORDER BY id FOR UPDATE)
           UPDATE app_grant g SET ended = now() FROM open WHERE g.id = open.id""",
        (username,),
    )
    yield Statement("DELETE FROM authorization_request WHERE username = %s", (username,))
    yield Statement("DELETE FROM consent WHERE username = %s", (username,))
    yield Statement(
        f"""WITH gone AS (UPDATE access_token SET revoked = true WHERE username = %s AND NOT revoked RETURNING 1)
            SELECT pg_notify('{CHANNEL}', '') WHERE EXISTS (SELECT FROM gone)""",
        (username,),
    )


def end_sessions(username: str) -> Work[None]:
    """Sign a person out everywhere, with what apps have for as long as the sessions last."""
    rows = yield Statement("DELETE FROM session WHERE username = %s RETURNING hash", (username,))
    if rows:
        yield from end_online(username, [row[0] for row in rows])
    yield stop_waiting(username)


def stop_waiting(username: str) -> Statement:
    """End the logins of a person that wait for their second step: their password is no longer the one."""
    return Statement("DELETE FROM pending_login WHERE username = %s", (username,))
