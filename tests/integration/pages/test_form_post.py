"""Answers to apps by a form, over the real pages and a real database."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from tests.integration.pages.test_authorize import browsing
from tests.support.apps import BACK, allow, app, ask, granted, send
from tests.support.gate import Pool
from tests.support.portal import sign_in

HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')

pytestmark = pytest.mark.usefixtures("people")


def told(page: httpx.Response) -> dict[str, str]:
    """What the form that goes to the app holds."""
    assert page.status_code == 200
    assert f'<form method="post" action="{BACK}"' in page.text
    policy = page.headers["content-security-policy"]
    assert "form-action 'self' https://app.test; script-src 'self'" in policy
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
    return {name: html.unescape(value) for name, value in HIDDEN.findall(page.text)}


@pytest.mark.spec("OAuth 2.0 Form Post Response Mode 2")
def test_the_answer_comes_in_a_form(database_url: str, pool: Pool) -> None:
    """The code, the state to the letter and the issuer; so do a denial and an error. No script is needed."""
    client_id = app(pool)
    asked = {"response_mode": "form_post", "state": 'a"<&ö'}

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await ask(client, client_id, **asked)
        answer = told(await allow(client, page))
        assert answer.keys() == {"code", "state", "iss"}
        assert (answer["state"], answer["iss"]) == (asked["state"], "http://healix.test")
        page = await ask(client, client_id, **asked, prompt="consent")
        assert told(await send(client, page, "authorize/decision", decision="deny"))["error"] == "access_denied"
        assert told(await ask(client, client_id, **asked, aud="http://x.test"))["error"] == "invalid_request"
        told_silently = told(await ask(client, client_id, **asked, prompt="none"))
        assert "code" in told_silently

    browsing(database_url, use)
    assert len(granted(pool)) == 2
