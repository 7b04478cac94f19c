"""What gives power away takes a login that is not long ago."""

from __future__ import annotations

import httpx
import pytest

from dicomweb.dimse import peers
from healix_fhir.kernel.database import transaction
from healix_fhir.pages.admin.gate import FRESH
from tests.integration.pages.test_admin_clients import administering, send
from tests.support.gate import Pool
from tests.support.oauth import app, key_pair, public
from tests.support.portal import PASSWORD, account, csrf

KEYS = public(key_pair())
SERVICE = {"name": "Reports", "auth": "private_key_jwt", "jwks": KEYS, "grant": "client_credentials"}
APP = {"name": "Reports", "auth": "client_secret_post", "redirect_uris": "https://app.example/cb"}
PERSON = {"username": "grace", "fhir_user": "", "mail": "", "send": "link"}
DANGEROUS = {
    "an administrator": ("/admin/users", PERSON | {"role": "admin"}),
    "a change to administrator": ("/admin/users/ada/change", {"role": "admin", "fhir_user": ""}),
    "a link for a password": ("/admin/users/ada/link", {"send": "link"}),
    "factors taken away": ("/admin/users/ada/factors", {}),
    "an app for all records": ("/admin/clients", SERVICE | {"scope": "system/*.rs"}),
    "a change to an app for all records": ("/admin/clients/{service}/change", SERVICE | {"scope": "system/Patient.rs"}),
    "a new secret": ("/admin/clients/{app}/secret", {}),
    "an app vouched for": ("/admin/clients/{app}/vouch", {}),
    "a peer": ("/admin/peers", {"aet": "CT1", "host": "ct1", "port": "104", "right": "find"}),
    "a change to a peer": ("/admin/peers/known", {"aet": "OLD", "host": "ct1", "port": "104", "right": "find"}),
    "a peer removed": ("/admin/peers/known/remove", {"aet": "OLD"}),
}
ORDINARY = {
    "a practitioner": ("/admin/users", PERSON | {"role": "practitioner", "fhir_user": "Practitioner/g"}),
    "an app for one record": ("/admin/clients", APP | {"scope": "patient/*.rs"}),
    "a closed account": ("/admin/users/ada/close", {}),
}
STATE = """SELECT (SELECT array_agg((username, role, disabled)::text ORDER BY username) FROM account),
                  (SELECT array_agg((name, scope, secret_hash)::text ORDER BY id) FROM client),
                  (SELECT array_agg((aet, host, rights)::text ORDER BY aet) FROM dimse_peer),
                  (SELECT count(*) FROM audit_event WHERE subtype IN ('account', 'client', 'factor', 'password'))"""


def older(pool: Pool, seconds: float) -> None:
    """Every login was so long ago."""
    with pool.connection() as connection:
        connection.execute("UPDATE session SET created = now() - make_interval(secs => %s)", (seconds,))


def state(pool: Pool) -> list[tuple[object, ...]]:
    """What would be another after any of it."""
    with pool.connection() as connection:
        return connection.execute(STATE).fetchall()


@pytest.mark.parametrize("name", DANGEROUS)
@pytest.mark.spec("OWASP ASVS 5.0 7.5.3")
def test_dangerous_things_take_a_fresh_login(database_url: str, pool: Pool, name: str) -> None:
    """A login of more than 15 minutes ago leads to another one, and nothing is done; after that one it is."""
    account(pool, "root", "admin")
    account(pool, "ada", "patient", "Patient/ada")
    id_, _ = app(pool, auth="client_secret_post")
    service, _ = app(pool, auth="private_key_jwt", jwks=KEYS, scope="system/*.rs", redirect_uris=())
    transaction(pool, lambda: peers.add("OLD", "old", 104))
    path, fields = DANGEROUS[name]
    path = path.format(app=id_, service=service)

    async def use(client: httpx.AsyncClient) -> None:
        older(pool, FRESH + 1)
        before = state(pool)
        answer = await send(client, path, **fields)
        assert (answer.status_code, answer.headers["location"]) == (303, "/account/login?after=admin")
        assert state(pool) == before
        form = await client.get(answer.headers["location"])
        sent = {"username": "root", "password": PASSWORD, "csrf": csrf(form), "after": "admin"}
        entered = await client.post("/account/login", data=sent)
        assert entered.headers["location"] == "/admin"
        done = await send(client, path, **fields)
        assert done.status_code in (200, 303), done.text
        assert "login" not in done.headers.get("location", "")
        assert state(pool) != before

    administering(database_url, use)


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_things_do_not(database_url: str, pool: Pool, name: str) -> None:
    """What gives no power away is done also hours after the login."""
    account(pool, "root", "admin")
    account(pool, "ada", "patient", "Patient/ada")
    path, fields = ORDINARY[name]

    async def use(client: httpx.AsyncClient) -> None:
        older(pool, FRESH + 1)
        before = state(pool)
        assert (await send(client, path, **fields)).status_code in (200, 303)
        assert state(pool) != before

    administering(database_url, use)


@pytest.mark.parametrize("path", ["/admin/users/new", "/admin/users/ada", "/admin/clients/new", "/admin/clients/{app}"])
def test_forms_say_so_beforehand(database_url: str, pool: Pool, path: str) -> None:
    """Whoever signed in long ago reads it before filling in a form, with a link to sign in."""
    account(pool, "root", "admin")
    account(pool, "ada", "patient", "Patient/ada")
    address = path.format(app=app(pool)[0])

    async def use(client: httpx.AsyncClient) -> None:
        assert "sign in again" not in (await client.get(address)).text
        older(pool, FRESH + 1)
        assert '<a href="/account/login?after=admin">sign in again</a>' in (await client.get(address)).text

    administering(database_url, use)
