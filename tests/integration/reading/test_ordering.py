"""The page of imaging orders: a clinician orders, sees where the order stands, and takes it back."""

from __future__ import annotations

import asyncio
import re

from tests.support.portal import browser, csrf, sign_in
from tests.support.reading import ReadingRoom

ORDERS = "/account/orders"
FORM = re.compile(r'name="form" value="([^"]+)"')


def test_ordered_and_taken_back(room: ReadingRoom, database_url: str) -> None:
    """It comes to the modality worklist once, and goes from there; of a patient of others nothing is ordered."""
    task = room.case()

    async def story() -> None:
        async with browser(database_url) as ann, browser(database_url) as pat:
            assert (await ann.get(ORDERS)).headers["location"] == "/account/login"
            await sign_in(pat, "pat")
            assert (await pat.get(ORDERS)).status_code == 403
            await sign_in(ann, "ann")
            listed = await ann.get(f"{ORDERS}?patient=p")
            assert "Waits to be read" in listed.text
            assert f"/account/reading/{task['id']}" in listed.text
            (form,) = FORM.findall(listed.text)
            fields = {
                "deed": "order", "patient": "p", "modality": "MR", "priority": "urgent", "what": "Knee, left",
                "at": "2026-05-04T09:30", "reason": "Twisted", "form": form, "csrf": csrf(listed),
            }  # fmt: skip
            for _ in range(2):
                made = await ann.post(ORDERS, data=fields)
                assert made.headers["location"] == f"{ORDERS}?patient=p&done=ordered", made.text
            for wrong in ({"what": " "}, {"modality": "SR"}, {"at": "soon"}, {"form": ""}, {"priority": "x"}):
                answer = await ann.post(ORDERS, data=fields | wrong)
                assert (answer.status_code, ">Twisted</textarea>" in answer.text) == (400, True), wrong
            assert (await ann.post(ORDERS, data=fields | {"patient": "q", "form": "f2"})).status_code == 404
            assert (await ann.post(ORDERS, data=fields | {"csrf": ""})).status_code == 403
            room.settle()
            (held,) = room.found("ServiceRequest?status=active")
            assert held["requester"] == {"reference": "Practitioner/ann"}
            assert held["occurrenceDateTime"] == "2026-05-04T09:30:00+00:00"
            assert room.item()["AccessionNumber"]
            shown = await ann.get(ORDERS)
            assert all(text in shown.text for text in ("Knee, left", "On the worklist", "Urgent"))
            gone = await ann.post(ORDERS, data={"deed": "revoke", "order": held["id"], "csrf": csrf(shown)})
            assert gone.headers["location"] == f"{ORDERS}?patient=p&done=revoked", gone.text
            again = await ann.post(ORDERS, data={"deed": "revoke", "order": held["id"], "csrf": csrf(shown)})
            assert again.status_code == 409
            assert "Knee, left" not in (await ann.get(ORDERS)).text
            assert "Cancelled" in (await ann.get(f"{ORDERS}?patient=p")).text

    asyncio.run(story())
