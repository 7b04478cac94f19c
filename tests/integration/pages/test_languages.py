"""Pages in the language of who asks."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from healix_fhir.kernel.language.spoken import LANGUAGES
from tests.support.gate import Pool
from tests.support.portal import account, browser, sign_in
from tests.support.search import Clinic

HEADINGS = {"en": "Sign in", "de": "Anmelden", "es": "Iniciar sesión", "fr": "Se connecter", "hi": "साइन इन करें"}


@pytest.fixture
def clinic(pool: Pool) -> Clinic:
    """A patient with an account."""
    clinic = Clinic(pool)
    clinic.put({"resourceType": "Patient", "id": "p1", "name": [{"family": "Byron"}]})
    account(pool, "ada", "patient", "Patient/p1")
    return clinic


def test_before_login_the_browser_says_the_language(database_url: str) -> None:
    """`Accept-Language` chooses, the foot of the page overrules it, and the page says which language it is in."""

    async def run() -> None:
        async with browser(database_url) as client:
            for code in LANGUAGES:
                page = await client.get("/account/login", headers={"Accept-Language": f"xx, {code}-XX;q=0.8"})
                assert f'<html lang="{code}">' in page.text
                assert f"<h1>{HEADINGS[code]}</h1>" in page.text
                assert (page.headers["content-language"], page.headers["vary"]) == (code, "Accept-Language, Cookie")
            chosen = await client.post(
                "/account/language", data={"language": "hi", "back": "/account/login?after=security"}
            )
            assert (chosen.status_code, chosen.headers["location"]) == (303, "/account/login?after=security")
            page = await client.get("/account/login", headers={"Accept-Language": "de"})
            assert 'lang="hi"' in page.text
            assert 'value="hi" lang="hi" aria-current="true"' in page.text

    asyncio.run(run())


@pytest.mark.parametrize(
    "back", ["https://example.org/", "//example.org", "/\\example.org", "javascript:1", "/a\tb", ""]
)
def test_the_choice_leads_nowhere_else(database_url: str, back: str) -> None:
    """An address of another server leads home."""

    async def run() -> httpx.Response:
        async with browser(database_url) as client:
            return await client.post("/account/language", data={"language": "de", "back": back})

    assert asyncio.run(run()).headers["location"] == "/account/"


def test_other_sites_choose_nothing(database_url: str) -> None:
    """A form of another site, and a language that there is not, change nothing."""

    async def run() -> None:
        async with browser(database_url) as client:
            foreign = await client.post(
                "/account/language", data={"language": "de"}, headers={"Sec-Fetch-Site": "cross-site"}
            )
            unknown = await client.post("/account/language", data={"language": "tlh"})
            assert (foreign.status_code, unknown.status_code) == (403, 400)
            assert not {*foreign.headers, *unknown.headers} & {"set-cookie"}

    asyncio.run(run())


def test_a_form_that_is_refused_speaks_the_language(database_url: str, clinic: Clinic) -> None:
    """The message of the error, too; and the answer to a form offers no other language, since it is not shown again."""
    del clinic

    async def run() -> None:
        async with browser(database_url) as client:
            client.headers["Accept-Language"] = "de"
            refused = await sign_in(client, "ada", "wrong horse battery")
            assert refused.status_code == 401
            assert 'lang="de"' in refused.text
            assert 'action="/account/language"' not in refused.text
            await sign_in(client, "ada")
            home = await client.get("/account/")
            assert "Ihre Gesundheit" in home.text

    asyncio.run(run())
