"""Scripts of registered apps may use the APIs from browsers."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from healix_fhir.kernel.database import open_async_pool, transaction
from healix_fhir.server import origins as module
from healix_fhir.server.origins import Origins
from smart_auth.oauth.clients import NewClient, create_client
from tests.support.gate import Pool

APP = "https://app.test"


@pytest.fixture(autouse=True)
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the database each time."""
    monkeypatch.setattr(module, "KNOWN", -1.0)


def allowed(url: str, *asked: str, further: str = "") -> list[bool]:
    """What the origins are told."""

    async def main() -> list[bool]:
        origins = Origins(further)
        pool = await open_async_pool(url, size=1)
        origins.use(pool)
        try:
            return [await origins.allows(one) for one in asked]
        finally:
            await pool.close()

    return asyncio.run(main())


@pytest.mark.spec("SMART App Launch 2.2 app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support")
def test_registered_origins(database_url: str, pool: Pool) -> None:
    """The origins of an app's redirect and launch addresses are allowed, to the letter, until the app is closed."""
    new = NewClient(
        "App", "openid", redirect_uris=(f"{APP}/back", "https://other.test", "com.example.app:/back"),
        launch_uri="https://launch.test:8443/start?x=1",
    )  # fmt: skip
    id_, _ = transaction(pool, lambda: create_client(new))
    good = [APP, "https://other.test", "https://launch.test:8443"]
    assert allowed(database_url, *good) == [True, True, True]
    bad = [
        "https://app.tes", f"{APP}.evil.test", f"{APP}:443", "http://app.test", f"{APP}/back", "https://launch.test",
        "null", "com.example.app:", "", "https://app.test'--", "https://%",
    ]  # fmt: skip
    assert allowed(database_url, *bad) == [False] * len(bad)
    with pool.connection() as connection:
        connection.execute("UPDATE client SET disabled = true WHERE id = %s", (id_,))
    assert allowed(database_url, *good) == [False, False, False]


def test_further_origins(database_url: str) -> None:
    """The operator may name more, or open the APIs to all."""
    assert allowed(database_url, "https://a.test", "https://b.test", further="https://a.test") == [True, False]
    assert allowed(database_url, "https://a.test", "https://b.test", further="https://b.test,*") == [True, True]


def test_without_a_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database does not answer nothing new is allowed, and nothing fails."""

    async def fail(*_: object) -> bool:
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(module, "aat_once", fail)
    assert allowed(database_url, APP) == [False]
    assert asyncio.run(Origins().allows(APP)) is False
