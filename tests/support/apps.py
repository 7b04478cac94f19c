"""Apps that ask people for access, as their code and a person's browser act together."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec

from healix_fhir.kernel.database import transaction
from smart_auth.oauth.clients import NewClient, create_client
from smart_auth.oauth.grant import Grant
from tests.support.gate import Pool
from tests.support.portal import csrf

BACK = "https://app.test/back"
VERIFIER = "v" * 50
SCOPE = "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Observation.rs"
REGISTERED = f"{SCOPE} launch launch/encounter user/Patient.rs"
REQUEST = re.compile(r'name="request" value="([^"]+)"')
TICKED = re.compile(r'<input type="checkbox" name="scope" value="([^"]+)" checked>')
LISTED = re.compile(r'<input type="radio" name="patient" value="([^"]+)"')


def app(pool: Pool, name: str = "Growth chart", **registered: Any) -> str:
    """A registered app; its client_id."""
    new = NewClient(name, **({"scope": REGISTERED, "redirect_uris": (BACK,)} | registered))
    return transaction(pool, lambda: create_client(new))[0]


def asking(client: str, base: str = "http://healix.test", **changed: str) -> dict[str, str]:
    """The parameters of a good authorization request."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    return {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": BACK,
        "scope": SCOPE,
        "state": "a state",
        "aud": f"{base}/fhir",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    } | changed


async def ask(browser: httpx.AsyncClient, client: str, **changed: str) -> httpx.Response:
    """Where a browser ends up with an app's request: a page, or the redirect to the app."""
    return await follow(browser, await browser.get("/oauth/authorize", params=asking(client, **changed)))


async def follow(browser: httpx.AsyncClient, answer: httpx.Response) -> httpx.Response:
    """Follow redirects within the server."""
    while answer.is_redirect and answer.headers["location"].startswith("/"):
        answer = await browser.get(answer.headers["location"])
    return answer


async def send(browser: httpx.AsyncClient, page: httpx.Response, path: str, **fields: Any) -> httpx.Response:
    """Fill in the form of a page of the flow, which goes to `path` below the flow's address."""
    hidden = {"csrf": csrf_of(page), "request": request_of(page)}
    return await follow(browser, await browser.post(f"/account/{path}", data=hidden | fields))


async def allow(browser: httpx.AsyncClient, page: httpx.Response, *scopes: str) -> httpx.Response:
    """Press Allow, with just these scopes ticked where any are named."""
    return await send(browser, page, "authorize/decision", decision="allow", scope=list(scopes) or ticked(page))


def csrf_of(page: httpx.Response) -> str:
    """The hidden value of the form in the page's main part."""
    return csrf(page)


def request_of(page: httpx.Response) -> str:
    """The name of the app's request in a page."""
    found = REQUEST.search(page.text)
    assert found is not None, page.text
    return found[1]


def ticked(page: httpx.Response) -> list[str]:
    """The scopes that the consent page offers."""
    return [html.unescape(scope) for scope in TICKED.findall(page.text)]


def told(answer: httpx.Response) -> dict[str, str]:
    """What the redirect to the app tells it."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith(f"{BACK}?"), answer.headers["location"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query, strict_parsing=True))


def granted(pool: Pool) -> list[Grant]:
    """What was granted so far, in order."""
    with pool.connection() as connection:
        rows = connection.execute("SELECT context FROM app_grant ORDER BY created").fetchall()
    return [msgspec.json.decode(row[0], type=Grant) for row in rows]
