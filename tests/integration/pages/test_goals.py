"""Goals on pages: a patient's own, and those that a clinician sets."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest

from healix_fhir.kernel import clock
from healix_fhir.model.json import decode
from tests.support.gate import Pool
from tests.support.goals import observation
from tests.support.portal import browser, csrf, sign_in
from tests.support.search import Clinic

GOALS = "/account/goals"
EDIT = f"{GOALS}/edit"
STATUS = f"{GOALS}/status"


def stored(pool: Pool) -> list[dict[str, Any]]:
    """The goals, the oldest first."""
    with pool.connection() as connection:
        found = connection.execute('SELECT body FROM resource WHERE body LIKE \'{"resourceType":"Goal"%\' ORDER BY pk')
        return [decode(bytes(body)) for (body,) in found]


async def send(client: httpx.AsyncClient, address: str, **fields: str) -> httpx.Response:
    """A form of the goals' page."""
    token = csrf(await client.get("/account/"))
    return await client.post(address, data={"csrf": token, **fields})


def test_a_patient_and_a_clinician_set_goals(database_url: str, pool: Pool, people: Clinic) -> None:
    """From the list of measures in plain words; each sees how far they are, and changes what is theirs to change."""
    weight = observation(f"{clock.now().date()}T00:00:00Z", "86")
    people.put(weight | {"subject": {"reference": "Patient/p1"}, "id": "w"})

    async def patient() -> None:
        async with browser(database_url) as ada:
            await sign_in(ada, "ada")
            assert GOALS in (await ada.get("/account/")).text
            assert "You have set no goal yet" in (await ada.get(GOALS)).text
            wrong = await send(ada, EDIT, patient="p1", measure="weight", kind="most", value="800")
            assert (wrong.status_code, 'value="800"' in wrong.text) == (400, True)
            assert "from 0.2 to 700 kg" in wrong.text
            made = await send(ada, EDIT, patient="p1", measure="weight", kind="most", value="80")
            assert (made.status_code, made.headers["location"]) == (303, GOALS)
            (goal,) = stored(pool)
            assert (goal["expressedBy"], goal["lifecycleStatus"]) == ({"reference": "Patient/p1"}, "active")
            shown = (await ada.get(GOALS)).text
            assert re.search(r'<progress max="100" value="0" aria-labelledby="goal-0-[^"]+">', shown)
            assert "last 86 kg" in shown
            form = await ada.get(EDIT, params={"goal": goal["id"]})
            assert 'value="80"' in form.text
            changed = await send(ada, EDIT, patient="p1", goal=goal["id"], measure="weight", kind="most", value="90")
            assert changed.status_code == 303
            assert 'value="100"' in (await ada.get(GOALS)).text
            assert (await send(ada, STATUS, patient="p1", goal=goal["id"], status="on-hold")).status_code == 303
            assert stored(pool)[0]["lifecycleStatus"] == "on-hold"
            assert (await send(ada, STATUS, patient="p1", goal=goal["id"], status="rejected")).status_code == 400

    async def clinician() -> None:
        async with browser(database_url) as doctor:
            await sign_in(doctor, "dr")
            assert f"{GOALS}?patient=p1" in (await doctor.get("/account/")).text
            made = await send(
                doctor, EDIT, patient="p1", measure="8480-6", kind="most", value="130", words="Blood pressure"
            )
            assert made.headers["location"] == f"{GOALS}?patient=p1"
            assert "Blood pressure" in (await doctor.get(f"{GOALS}?patient=p1")).text
            unknown = {"extension": [{"url": "urn:x", "valueString": "unknown"}]}
            people.put({"resourceType": "Goal", "id": "odd", "_lifecycleStatus": unknown,
                        "description": {"text": "Feel well"}, "subject": {"reference": "Patient/p1"}})  # fmt: skip
            assert "Feel well" in (await doctor.get(f"{GOALS}?patient=p1")).text
            odd = await send(doctor, STATUS, patient="p1", goal="odd", status="active")
            assert odd.status_code == 400
            assert stored(pool)[1]["expressedBy"] == {"reference": "Practitioner/d"}
            assert (await doctor.get(f"{GOALS}?patient=p3")).status_code == 404
            assert (
                await send(doctor, EDIT, patient="p3", measure="weight", kind="most", value="80")
            ).status_code == 404

    async def others() -> None:
        own, doctors = (goal["id"] for goal in stored(pool)[:2])
        async with browser(database_url) as ada, browser(database_url) as eve, browser(database_url) as root:
            assert (await ada.get(GOALS)).headers["location"] == "/account/login"
            await sign_in(ada, "ada")
            assert (await send(ada, STATUS, patient="p1", goal=doctors, status="cancelled")).status_code == 403
            assert (await ada.post(STATUS, data={"patient": "p1", "goal": own, "status": "active"})).status_code == 403
            await sign_in(eve, "eve")
            assert (await eve.get(f"{GOALS}?patient=p1")).status_code == 404
            assert (await send(eve, STATUS, patient="p3", goal=own, status="active")).status_code == 404
            await sign_in(root, "root")
            assert (await root.get(f"{GOALS}?patient=p1")).status_code == 403
        assert [goal["lifecycleStatus"] for goal in stored(pool)[:2]] == ["on-hold", "active"]

    asyncio.run(patient())
    asyncio.run(clinician())
    asyncio.run(others())


@pytest.mark.usefixtures("people")
def test_a_goal_of_somebody_else_is_not_changed_by_its_id(database_url: str, people: Clinic) -> None:
    """The patient of a form and that of its goal are one."""
    goal = {
        "resourceType": "Goal", "id": "g2", "lifecycleStatus": "active", "description": {"text": "x"},
        "subject": {"reference": "Patient/p2"},
    }  # fmt: skip
    people.put(goal)

    async def use() -> None:
        async with browser(database_url) as doctor:
            await sign_in(doctor, "dr")
            assert (await send(doctor, STATUS, patient="p1", goal="g2", status="on-hold")).status_code == 400
            assert (await doctor.get(EDIT, params={"patient": "p2", "goal": "g2"})).status_code == 400

    asyncio.run(use())
