"""Pages in the language of who asks."""

from __future__ import annotations

import asyncio
import re
from html.parser import HTMLParser
from zoneinfo import available_timezones

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


@pytest.mark.parametrize("address", ["/dicomweb", "/openapi"])
def test_what_services_tell_people_is_in_their_language(database_url: str, address: str) -> None:
    """What there is at which address; the names that standards have for it stay English, and are marked so."""

    async def run() -> httpx.Response:
        async with browser(database_url) as client:
            return await client.get(address, headers={"Accept-Language": "de"})

    text = asyncio.run(run()).text
    assert "Dieser Dienst" in text
    assert '<p class="what" lang="en">' in text
    assert "This service" not in text


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

    asyncio.run(run())


def test_a_person_keeps_the_language_everywhere(database_url: str, clinic: Clinic) -> None:
    """What somebody signed in chooses is kept with the account, for every browser, until it is taken back."""
    del clinic

    async def run() -> None:
        async with browser(database_url) as client:
            await sign_in(client, "ada")
            await client.post("/account/language", data={"language": "fr", "back": "/account/"})
        async with browser(database_url) as client:
            client.headers["Accept-Language"] = "es"
            await sign_in(client, "ada")
            assert "Votre santé" in (await client.get("/account/")).text
            settings = await client.get("/account/settings")
            assert '<option value="fr" lang="fr" selected>' in settings.text
            await client.post("/account/language", data={"language": "", "back": "/account/settings"})
            assert "Su salud" in (await client.get("/account/")).text

    asyncio.run(run())


PAGES = (
    "/account/", "/account/appointments", "/account/appointments/find", "/account/readings", "/account/goals",
    "/account/goals/edit", "/account/alerts", "/account/prescriptions", "/account/devices", "/account/access",
    "/account/report?patient=p1", "/account/looked", "/account/settings", "/account/security", "/account/sessions",
    "/account/apps",
)  # fmt: skip
LATIN, DEVANAGARI = re.compile("[A-Za-z]{3}"), re.compile("[\u0904-\u0939]")
STAMP = re.compile(r"^\d\d/\d\d/\d{4} \d\d:\d\d")
ZONES = available_timezones()
OWN = frozenset({"Healix", "test", "ada", "Byron", *LANGUAGES.values(), "UTC", "/min", "mg/dL", "mmol/L"})


class Texts(HTMLParser):
    """The texts of a page that people read or hear."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Attributes that are read out."""
        del tag
        self.found += [value or "" for name, value in attrs if name in ("aria-label", "placeholder", "title", "alt")]

    def handle_data(self, data: str) -> None:
        """What stands between tags."""
        self.found.append(data)


def test_no_english_is_left_on_pages_of_patients(database_url: str, clinic: Clinic) -> None:
    """In Hindi, whose script is another, every text has a letter of it, unless it is somebody's data."""
    del clinic

    async def run() -> None:
        async with browser(database_url) as client:
            client.headers["Accept-Language"] = "hi"
            await sign_in(client, "ada")
            for address in PAGES:
                page = await client.get(address)
                assert page.status_code == 200, address
                texts = Texts()
                texts.feed(page.text)
                left = {
                    STAMP.sub("", text).strip()
                    for text in texts.found
                    if LATIN.search(text) and not DEVANAGARI.search(text)
                }
                assert left - OWN - ZONES == set(), address

    asyncio.run(run())
