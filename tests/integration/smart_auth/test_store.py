"""Tokens, accounts and clients in a real database."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.search.granular import ScopeQueries
from smart_auth.scope import parse
from smart_auth.store import create_user, digest, disable_user, find, revoke, sweep
from tests.support.gate import Pool, token, user


def found(pool: Pool, value: str) -> Any:
    """What a token opens, or None."""
    result = transaction(pool, lambda: find([digest(value)])).get(digest(value))
    return result.access if result else None


def test_token_opens_its_scope(pool: Pool) -> None:
    """A token gives its scopes, its patient with the surrogate key, and its client."""
    access = found(pool, token(pool, "patient/*.rs launch/patient openid", patient="p1", client="app"))
    assert access.scopes == parse("patient/*.rs")
    assert (access.patient, access.practitioner, access.origin.client) == ("p1", None, "app")
    assert access.pat is not None
    assert found(pool, token(pool, "patient/*.rs", patient="p1")).pat == access.pat


def test_token_of_a_practitioner(pool: Pool) -> None:
    """A token of an account acts as the account's Practitioner."""
    user(pool, "dr", role="practitioner", fhir_user="Practitioner/d1")
    access = found(pool, token(pool, "user/*.rs", username="DR"))
    assert (access.practitioner, access.origin.account) == ("d1", "dr")


def test_token_of_a_patient(pool: Pool) -> None:
    """A patient's own token is for his record without further saying, and for no other."""
    user(pool, "ada", role="patient", fhir_user="Patient/p1")
    assert found(pool, token(pool, "patient/*.rs", username="ada")).patient == "p1"
    with pytest.raises(HealixError):
        token(pool, "patient/*.rs", username="ada", patient="p2")


def test_only_the_hash_is_stored(pool: Pool) -> None:
    """A copy of the table opens nothing: it holds the SHA-256 of 256 random bits."""
    value = token(pool, "system/*.rs")
    with pool.connection() as connection:
        rows = connection.execute("SELECT t::text, length(hash) FROM access_token t").fetchall()
    assert len(rows) == 1
    assert value not in rows[0][0]
    assert rows[0][1] == 32
    assert len(value) == 43


@pytest.mark.parametrize(
    ("scope", "arguments", "category"),
    [
        ("", {}, Category.INVALID),
        ("openid", {}, Category.INVALID),
        ("system/*", {}, Category.INVALID),
        ("system/*.rs?_id=1", {}, Category.INVALID),
        ("system/Patient.rs?_id=1", {}, Category.INVALID),
        ("system/Patient.rs?name.family=a", {"conditions": ScopeQueries(())}, Category.INVALID),
        ("system/Patient.rs?code=a", {"conditions": ScopeQueries(())}, Category.INVALID),
        ("patient/*.rs", {}, Category.INVALID),
        ("patient/*.rs", {"patient": "../etc"}, Category.INVALID),
        ("user/*.rs", {}, Category.INVALID),
        ("user/*.rs", {"username": "nobody"}, Category.INVALID),
        ("user/*.rs", {"username": "root"}, Category.INVALID),
        ("system/Observations.rs", {"types": ("Observation",)}, Category.INVALID),
        ("system/*.rs", {"ttl": 0}, Category.INVALID),
    ],
)
def test_tokens_that_would_open_nothing(pool: Pool, scope: str, arguments: dict[str, Any], category: Category) -> None:
    """A token whose scope opens nothing, or not what it says, is not made."""
    user(pool, "root", role="admin", fhir_user="Practitioner/d9")
    with pytest.raises(HealixError) as caught:
        token(pool, scope, **arguments)
    assert caught.value.category is category
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM access_token").fetchone() == (0,)


def test_end_of_a_token(pool: Pool) -> None:
    """Unknown, expired and revoked tokens are not found; a second revocation says so."""
    good, expired = token(pool, "system/*.rs"), token(pool, "system/*.rs")
    with pool.connection() as connection:
        connection.execute("UPDATE access_token SET expires = now() WHERE hash = %s", (digest(expired),))
    assert found(pool, good) is not None
    assert found(pool, expired) is None
    assert found(pool, "unknown") is None
    assert transaction(pool, lambda: revoke(good))
    assert found(pool, good) is None
    assert not transaction(pool, lambda: revoke(good))


def test_disabled_account(pool: Pool) -> None:
    """The tokens of a closed account open nothing."""
    user(pool, "dr", role="practitioner", fhir_user="Practitioner/d1")
    value = token(pool, "user/*.rs", username="dr")
    assert transaction(pool, lambda: disable_user("Dr"))
    assert found(pool, value) is None
    assert not transaction(pool, lambda: disable_user("nobody"))


@pytest.mark.parametrize(
    ("username", "role", "fhir_user"),
    [
        ("", "admin", None),
        ("a b", "admin", None),
        ("x" * 65, "admin", None),
        ("ada", "nurse", None),
        ("ada", "patient", None),
        ("ada", "patient", "Practitioner/1"),
        ("ada", "practitioner", "Patient/1"),
        ("ada", "practitioner", "Practitioner/"),
        ("ada", "practitioner", "Practitioner/a/b"),
    ],
)
def test_accounts_that_do_not_fit(pool: Pool, username: str, role: str, fhir_user: str | None) -> None:
    """Names, roles and links that make no sense are refused with Invalid."""
    with pytest.raises(HealixError) as caught:
        user(pool, username, role=role, fhir_user=fhir_user)
    assert caught.value.category is Category.INVALID


def test_names_are_taken_once(pool: Pool) -> None:
    """Usernames do not differ by case."""
    user(pool, "Ada", role="admin")
    with pytest.raises(HealixError) as caught:
        transaction(pool, lambda: create_user("aDA", role="admin", fhir_user=None, password_hash="!"))
    assert caught.value.category is Category.CONFLICT


def test_making_and_revoking_is_audited(pool: Pool) -> None:
    """Tokens, accounts and clients leave a row in the audit trail, in the same transaction."""
    user(pool, "root", role="admin")
    value = token(pool, "patient/*.rs", patient="p1")
    transaction(pool, lambda: revoke(value))
    with pool.connection() as connection:
        rows = connection.execute("SELECT action, subtype, patient FROM audit_event ORDER BY seq").fetchall()
    assert rows == [("C", "account", None), ("C", "token", "p1"), ("D", "token", "p1")]


def test_sweep(pool: Pool) -> None:
    """What is long past is removed, and nothing else."""
    token(pool, "system/*.rs")
    old = token(pool, "system/*.rs")
    with pool.connection() as connection:
        connection.execute(
            "UPDATE access_token SET expires = now() - interval '2 days' WHERE hash = %s", (digest(old),)
        )
    transaction(pool, sweep)
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM access_token").fetchone() == (1,)
