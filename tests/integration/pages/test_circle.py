"""Who has access, on pages: invited, accepted and ended by those whose it is to do."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest

from tests.support.portal import browser, csrf, sign_in

ADDRESS = "/account/access"


async def send(client: httpx.AsyncClient, act: str, **fields: str) -> httpx.Response:
    """A form of the page."""
    token = csrf(await client.get("/account/"))
    return await client.post(f"{ADDRESS}/{act}", data={"csrf": token, **fields})


@pytest.mark.usefixtures("people")
def test_a_patient_invites_and_ends(database_url: str) -> None:
    """By code: the clinician who has it cares for the patient until one of them ends it."""

    async def use() -> None:
        async with browser(database_url) as eve, browser(database_url) as doctor, browser(database_url) as ada:
            await sign_in(eve, "eve")
            await sign_in(doctor, "dr")
            await sign_in(ada, "ada")
            assert ADDRESS in (await eve.get("/account/")).text
            assert "No clinician has access" in (await eve.get(ADDRESS)).text
            made = await send(eve, "invite")
            (code,) = re.findall(r'class="invitation">([0-9A-Z-]+)<', made.text)
            assert "Invitations that wait" in (await eve.get(ADDRESS)).text
            assert code not in (await eve.get(ADDRESS)).text
            assert (await send(ada, "answer", code=code)).status_code == 404
            assert "Eve Stone" not in (await doctor.get(ADDRESS)).text
            assert "was accepted" in (await send(doctor, "answer", code=code)).text
            assert "Eve Stone" in (await doctor.get(ADDRESS)).text
            assert (await send(doctor, "answer", code=code)).status_code == 404
            page = (await eve.get(ADDRESS)).text
            assert "in your care team" in page
            assert (await send(ada, "end", patient="p3", who="d")).status_code == 404
            assert (await eve.post(f"{ADDRESS}/end", data={"patient": "p3", "who": "d"})).status_code == 403
            assert "The access has ended" in (await send(eve, "end", patient="p3", who="d")).text
            assert "Eve Stone" not in (await doctor.get(ADDRESS)).text

    asyncio.run(use())


@pytest.mark.usefixtures("people")
def test_a_clinician_invites_an_account_and_ends(database_url: str) -> None:
    """By user name, which need not exist: the patient sees who invites, and accepts or declines."""

    async def use() -> None:
        async with browser(database_url) as eve, browser(database_url) as doctor, browser(database_url) as root:
            assert (await eve.get(ADDRESS)).headers["location"] == "/account/login"
            await sign_in(eve, "eve")
            await sign_in(doctor, "dr")
            await sign_in(root, "root")
            assert (await root.get(ADDRESS)).status_code == 403
            answers = {(await send(doctor, "invite", to=to)).text.partition("notice")[2][:90] for to in ("eve", "none")}
            assert len(answers) == 1
            page = (await eve.get(ADDRESS)).text
            assert "wants to care for you" in page
            (invitation,) = re.findall(r'name="invitation" value="([^"]+)"', page)
            assert (await send(doctor, "answer", invitation=invitation, answer="accept")).status_code == 404
            assert "was accepted" in (await send(eve, "answer", invitation=invitation, answer="accept")).text
            assert "Eve Stone" in (await doctor.get(ADDRESS)).text
            assert "The access has ended" in (await send(doctor, "end", patient="p3")).text
            assert (await send(doctor, "end", patient="p3")).status_code == 404
            await send(doctor, "invite", to="eve")
            (invitation,) = re.findall(r'name="invitation" value="([^"]+)"', (await eve.get(ADDRESS)).text)
            assert "was declined" in (await send(eve, "answer", invitation=invitation, answer="decline")).text
            waiting = re.findall(r'name="invitation" value="([^"]+)"', (await doctor.get(ADDRESS)).text)
            assert len(waiting) == 1
            assert (await send(doctor, "withdraw", invitation=waiting[0])).status_code == 303
            assert "Invitations that wait" not in (await doctor.get(ADDRESS)).text

    asyncio.run(use())
