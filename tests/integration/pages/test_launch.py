"""Apps started from within Healix with a patient's context."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import HealixError
from smart_auth.oauth.launch import Launched, create_launch
from tests.integration.pages.test_authorize import browsing, log_in
from tests.support.apps import allow, app, ask, granted, ticked, told
from tests.support.gate import Pool
from tests.support.portal import sign_in

SCOPE = "launch launch/encounter openid patient/Patient.rs"

pytestmark = pytest.mark.usefixtures("people")


def launch(pool: Pool, client: str, username: str = "dr", patient: str = "p1", **more: Any) -> str:
    """A new launch."""
    return transaction(pool, lambda: create_launch(client, username, Launched(patient, **more)))


@pytest.mark.spec("SMART App Launch 2.2 app-launch.html#launch-app-ehr-launch")
def test_ehr_launch(database_url: str, pool: Pool) -> None:
    """A launch brings its patient, encounter and intent without asking, and is used up by that."""
    client_id = app(pool)
    token = launch(pool, client_id, encounter="e1", intent="order")

    async def use(client: httpx.AsyncClient) -> None:
        page = await log_in(client, await ask(client, client_id, scope=SCOPE, launch=token), "dr")
        assert "In the record of Ada Byron" in page.text
        assert ticked(page) == ["patient/Patient.rs", "launch", "launch/encounter", "openid"]
        told(await allow(client, page))
        again = told(await ask(client, client_id, scope=SCOPE, launch=token))
        assert again["error"] == "invalid_request"

    browsing(database_url, use)
    (grant,) = granted(pool)
    assert (grant.patient, grant.encounter, grant.intent, grant.need_patient_banner) == ("p1", "e1", "order", True)
    assert grant.username == "dr"


@pytest.mark.parametrize(
    ("client_id", "username", "error"),
    [("other", "dr", "invalid_request"), ("own", "ada", "invalid_request"), ("own", "root", "invalid_request")],
)
def test_launches_are_bound(database_url: str, pool: Pool, client_id: str, username: str, error: str) -> None:
    """Another app, or another account, gets nothing from a launch, and does not use it up."""
    clients = {"own": app(pool), "other": app(pool, "Other")}
    token = launch(pool, clients["own"])

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, username)
        assert told(await ask(client, clients[client_id], scope=SCOPE, launch=token))["error"] == error
        client.cookies.clear()
        await sign_in(client, "dr")
        told(await allow(client, await ask(client, clients["own"], scope=SCOPE, launch=token)))

    browsing(database_url, use)
    assert [(grant.client, grant.username) for grant in granted(pool)] == [(clients["own"], "dr")]


def test_a_launch_does_not_change_hands(database_url: str, pool: Pool) -> None:
    """When another account signs in for a request whose launch is used, it gets nothing."""
    client_id = app(pool)
    token = launch(pool, client_id)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        page = await ask(client, client_id, scope=SCOPE, launch=token)
        login = await client.get(
            "/account/login", params={"request": page.text.split('name="request" value="')[1][:43]}
        )
        assert told(await log_in(client, login, "ada"))["error"] == "invalid_request"

    browsing(database_url, use)
    assert granted(pool) == []


@pytest.mark.parametrize("context", [{"patient": "p3"}, {"patient": "p1", "encounter": "e2"}, {"patient": "nobody"}])
def test_only_what_the_account_sees(database_url: str, pool: Pool, context: dict[str, str]) -> None:
    """A launch opens no patient outside the care of its account, and no encounter of another patient."""
    client_id = app(pool)
    token = launch(pool, client_id, **context)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        assert told(await ask(client, client_id, scope=SCOPE, launch=token))["error"] == "access_denied"

    browsing(database_url, use)
    assert granted(pool) == []


def test_launches_end(database_url: str, pool: Pool) -> None:
    """A launch that nobody used within ten minutes is over."""
    client_id = app(pool)
    token = launch(pool, client_id)
    with pool.connection() as connection:
        connection.execute("UPDATE launch SET expires = expires - interval '601 seconds'")

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        for value in (token, "forged", "x" * 2000):
            assert told(await ask(client, client_id, scope=SCOPE, launch=value))["error"] == "invalid_request"

    browsing(database_url, use)


def test_a_launch_is_used_once(database_url: str, pool: Pool) -> None:
    """Of requests with one launch that come at the same time, one gets its context."""
    client_id = app(pool)
    token = launch(pool, client_id)

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        pages = await asyncio.gather(*(ask(client, client_id, scope=SCOPE, launch=token) for _ in range(5)))
        assert sorted(page.status_code for page in pages) == [200, 303, 303, 303, 303]

    browsing(database_url, use)


UNFIT: list[dict[str, Any]] = [
    {},
    {"type": "ImagingStudy"},
    {"reference": "ImagingStudy"},
    {"reference": "https://healix.test/fhir/ImagingStudy/s1"},
    {"reference": "ImagingStudy/s1", "type": "Observation"},
    {"reference": "ImagingStudy/s1", "role": "mine"},
    {"reference": "ImagingStudy/s1", "more": "x"},
    {"reference": 5},
    {"identifier": "x"},
    {"reference": "Patient/p2"},
    {"reference": "Encounter/e1", "role": "launch"},
    {"identifier": {"value": "5"}, "type": "Patient"},
    {"canonical": "x" * 501},
]


@pytest.mark.spec("SMART App Launch 2.2 scopes-and-launch-context.html#fhircontext")
@pytest.mark.parametrize(
    "item",
    [
        {"reference": "ImagingStudy/s1"},
        {"canonical": "http://x.test/Questionnaire/q|1", "type": "Questionnaire"},
        {"identifier": {"system": "urn:x", "value": "5"}, "type": "ServiceRequest"},
        {"reference": "Patient/p2", "role": "https://x.test/roles/donor"},
    ],
)
def test_what_may_stand_in_the_context(pool: Pool, item: dict[str, Any]) -> None:
    """Items of each kind make a launch."""
    assert launch(pool, app(pool), fhir_context=(item,))


@pytest.mark.parametrize(
    ("client", "username", "launched"),
    [
        ("nobody", "dr", Launched("p1")),
        ("own", "nobody", Launched("p1")),
        ("own", "root", Launched("p1")),
        ("own", "dr", Launched("no id")),
        ("own", "dr", Launched("p1", encounter="no id")),
        ("own", "dr", Launched("p1", intent="x" * 201)),
        *(("own", "dr", Launched("p1", fhir_context=(item,))) for item in UNFIT),
        ("own", "dr", Launched("p1", fhir_context=({"canonical": "http://x.test/q"},) * 21)),
    ],
)
def test_what_cannot_be_launched(pool: Pool, client: str, username: str, launched: Launched) -> None:
    """What does not exist, or does not fit together, makes no launch."""
    own = app(pool)
    with pytest.raises(HealixError):
        transaction(pool, lambda: create_launch(own if client == "own" else client, username, launched))
