"""What the trail says of the client whose request for, about or against a token was refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from smart_auth.discovery import INTROSPECT, REVOKE, TOKEN
from tests.integration.smart_auth.test_introspection import post
from tests.support.gate import Pool, token
from tests.support.oauth import app

WRONG = "not the secret"
PATHS = {TOKEN: "token", INTROSPECT: "introspect", REVOKE: "revoke"}
FORM = {"grant_type": "client_credentials", "token": "t"}


def trail(pool: Pool) -> list[tuple[Any, ...]]:
    """The refusals: word, client, what it is about, reason."""
    with pool.connection() as connection:
        return connection.execute(
            "SELECT subtype, client, entity, query FROM audit_event WHERE outcome = 4 ORDER BY seq"
        ).fetchall()


@pytest.fixture
def service(pool: Pool) -> tuple[str, str]:
    """A confidential client that gets no tokens for itself."""
    id_, secret = app(pool, auth="client_secret_basic", redirect_uris=("https://app.example/cb",))
    assert secret is not None
    return id_, secret


@pytest.mark.parametrize("path", PATHS)
def test_who_proves_nothing_is_named_as_what_it_is_about(
    database_url: str, pool: Pool, service: tuple[str, str], path: str
) -> None:
    """A client that only says who it is is no agent: a known one, one that is not there, and one in the form."""
    for auth, form in (
        (httpx.BasicAuth(service[0], WRONG), {}),
        (httpx.BasicAuth("nobody\0" + "x" * 99, WRONG), {}),
        (None, {"client_id": service[0], "client_secret": WRONG}),
        (httpx.BasicAuth(service[0], WRONG), {"client_id": "another"}),
    ):
        assert post(database_url, path, FORM | form, auth=auth).status_code == 401
    about = [service[0], ("nobody" + "x" * 99)[:64], service[0], "another"]
    assert trail(pool) == [(PATHS[path], None, f"client/{id_}", "invalid_client") for id_ in about]


@pytest.mark.parametrize(
    ("path", "form", "word", "reason"),
    [
        (TOKEN, FORM, "token", "unauthorized_client"),
        (TOKEN, {"grant_type": "authorization_code", "code": "c"}, "token", "invalid_request"),
        (TOKEN, {"grant_type": "refresh_token", "refresh_token": "r"}, "token", "invalid_grant"),
        (INTROSPECT, {"token_type_hint": "access_token"}, "introspect", "invalid_request"),
    ],
)
def test_who_proves_itself_is_the_agent(
    database_url: str, pool: Pool, service: tuple[str, str], path: str, form: dict[str, str], word: str, reason: str
) -> None:
    """A client that has proven who it is is named as the agent of what is refused to it, with the reason."""
    assert post(database_url, path, form, auth=httpx.BasicAuth(*service)).status_code == 400
    assert trail(pool) == [(word, service[0], None, reason)]


def test_a_token_that_may_not_ask_is_named(database_url: str, pool: Pool) -> None:
    """Introspection with a token that is no system's is refused to the token's client."""
    bearer = {"Authorization": f"Bearer {token(pool, 'patient/*.rs', client='portal', patient='p')}"}
    assert post(database_url, INTROSPECT, {"token": "t"}, headers=bearer).status_code == 403
    assert trail(pool) == [("introspect", "portal", None, "insufficient_scope")]


@pytest.mark.parametrize("path", PATHS)
def test_who_names_nobody(database_url: str, pool: Pool, path: str) -> None:
    """A request that names no client is refused to an unknown one."""
    assert post(database_url, path, FORM).status_code == 401
    assert trail(pool) == [(PATHS[path], None, None, "invalid_client")]
