"""Grants in a real database."""

from __future__ import annotations

import msgspec
import pytest

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import transaction
from smart_auth.oauth.grant import Grant, issue_code
from smart_auth.store import digest, sweep
from tests.support.gate import Pool

GRANT = Grant(
    client="app",
    username="ada",
    scope="openid patient/*.rs",
    redirect_uri="https://app.example/cb",
    code_challenge="x" * 43,
    auth_time=1_700_000_000,
    session=digest("cookie"),
    patient="p1",
    fhir_context=({"reference": "ImagingStudy/1"},),
)


def test_code_is_stored_as_a_hash(pool: Pool) -> None:
    """A code is opaque, lives a minute, and a copy of the table opens nothing; the consent is kept whole."""
    code = transaction(pool, lambda: issue_code(GRANT))
    with pool.connection() as connection:
        row = connection.execute(
            "SELECT code_hash, context, session, extract(epoch FROM code_expires - now()), g::text FROM app_grant g"
        ).fetchone()
    assert row is not None
    assert (bytes(row[0]), bytes(row[2]), len(code)) == (digest(code), digest("cookie"), 43)
    assert 55 < row[3] <= 60
    assert code not in row[4]
    assert msgspec.json.decode(row[1], type=Grant) == GRANT


def test_offline_access_outlives_the_session(pool: Pool) -> None:
    """A grant with offline_access does not end with the browser's session."""
    offline = msgspec.structs.replace(GRANT, scope="patient/*.rs offline_access")
    transaction(pool, lambda: issue_code(offline))
    with pool.connection() as connection:
        assert connection.execute("SELECT session FROM app_grant").fetchone() == (None,)


def test_consent_is_audited(pool: Pool) -> None:
    """The consent is in the audit trail: who let which app at whose record, from where."""
    transaction(pool, lambda: issue_code(GRANT, Origin(address="192.0.2.1", request="r1")))
    with pool.connection() as connection:
        rows = connection.execute(
            "SELECT action, subtype, client, account, address, request, patient, query FROM audit_event"
        ).fetchall()
    assert rows == [("E", "authorize", "app", "ada", "192.0.2.1", "r1", "p1", "openid patient/*.rs")]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("created = now()", 1),
        ("created = created - interval '2 days'", 0),
        ("created = created - interval '2 days', redeemed = now()", 1),
        ("created = created - interval '2 days', redeemed = now(), ended = now()", 0),
    ],
)
def test_sweep_keeps_what_may_still_be_used(pool: Pool, change: str, left: int) -> None:
    """Codes that nobody fetched and grants that have ended are removed after a day; those with a refresh token stay."""
    transaction(pool, lambda: issue_code(GRANT))
    with pool.connection() as connection:
        connection.execute(
            """INSERT INTO refresh_token (hash, grant_id, generation, scope, seed, expires)
               SELECT '1', id, 1, '', '', now() + interval '1 day' FROM app_grant"""
        )
        connection.execute(f"UPDATE app_grant SET {change}")
    transaction(pool, sweep)
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM app_grant").fetchone() == (left,)
