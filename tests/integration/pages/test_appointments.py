"""Appointments by the pages: a patient books, moves, cancels and subscribes; a clinician sees who comes, and when."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest
from icalendar import Calendar

from healix_fhir.care.calendar import filling
from healix_fhir.care.relationships import handle
from healix_fhir.model.json import decode
from tests.integration.pages.test_authorize import browsing
from tests.support.booking import mark
from tests.support.fhir_server import BASE, rows
from tests.support.gate import Pool
from tests.support.portal import csrf, sign_in
from tests.support.search import Clinic

ROOT = "/account/appointments"
SLOT = re.compile(r'name="slot" value="([^"]+)"')
DAY = (datetime.now(UTC) + timedelta(days=2)).replace(hour=9, minute=0, second=0, microsecond=0)


@pytest.fixture(autouse=True)
def calendar(people: Clinic) -> None:
    """The practitioner d has three free slots."""
    people.put({"resourceType": "Schedule", "id": "cal",
                "actor": [{"reference": "Practitioner/d", "display": "Dr. Dora"}]})  # fmt: skip
    for n in range(3):
        start, end = (DAY + timedelta(minutes=30 * (n + one)) for one in (0, 1))
        people.put({"resourceType": "Slot", "id": f"s{n}", "schedule": {"reference": "Schedule/cal"}, "status": "free",
                    "start": start.isoformat(), "end": end.isoformat()})  # fmt: skip


async def post(client: httpx.AsyncClient, path: str, page: httpx.Response, **fields: str) -> httpx.Response:
    """Send a form of a page."""
    return await client.post(path, data={"csrf": csrf(page), **fields})


def appointments(pool: Pool) -> list[dict[str, str]]:
    """What is stored of appointments: status, slot, and by whom it was written last."""
    found = rows(pool, 'SELECT body FROM resource WHERE body LIKE \'{"resourceType":"Appointment"%%\' ORDER BY pk')
    return [{"status": one["status"], "slot": one.get("slot", [{}])[0].get("reference", "")}
            for one in (decode(body) for (body,) in found)]  # fmt: skip


def test_a_patient_books_moves_and_cancels(database_url: str, pool: Pool) -> None:
    """By forms alone; what somebody else has taken meanwhile is told, and other times are shown."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await client.get(f"{ROOT}/find?with=Practitioner/d")
        assert SLOT.findall(page.text) == ["s0", "s1", "s2"]
        assert "Dr. Dora" in page.text
        done = await post(client, f"{ROOT}/find", page, slot="s0", patient="p1", comment="my knee")
        assert (done.status_code, done.headers["location"]) == (303, ROOT)
        again = await post(client, f"{ROOT}/find", page, slot="s0", patient="p1")
        assert again.status_code == 409
        assert "has just taken this time" in again.text
        assert SLOT.findall(again.text) == ["s1", "s2"]
        foreign = await post(client, f"{ROOT}/find", page, slot="s1", patient="p3")
        assert foreign.status_code == 400
        mine = await client.get(ROOT)
        assert "Dr. Dora" in mine.text
        ((id_,),) = rows(pool, 'SELECT id FROM resource WHERE body LIKE \'{"resourceType":"Appointment"%%\'')
        moving = await client.get(f"{ROOT}/find?move={id_}")
        assert "stays so until" in moving.text
        await post(client, f"{ROOT}/find", moving, slot="s2", move=id_)
        assert appointments(pool) == [{"status": "booked", "slot": "Slot/s2"}]
        await post(client, f"{ROOT}/cancel", mine, appointment=id_, reason="ill")
        assert appointments(pool) == [{"status": "cancelled", "slot": "Slot/s2"}]
        await post(client, f"{ROOT}/wait", moving, patient="p1", **{"with": "Practitioner/d"}, day="2026-12-24")
        assert appointments(pool)[1]["status"] == "waitlist"
        forged = await client.post(f"{ROOT}/cancel", data={"csrf": "0", "appointment": id_})
        assert forged.status_code == 403

    browsing(database_url, use)


def test_others_do_not_see_it(database_url: str, pool: Pool) -> None:
    """Somebody else's appointment is neither shown, nor moved, nor cancelled; its time is taken, that is all."""

    async def book(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        await post(client, f"{ROOT}/find", await client.get(f"{ROOT}/find"), slot="s0", patient="p1", comment="Canary")

    async def look(client: httpx.AsyncClient) -> None:
        await sign_in(client, "eve")
        page, mine = await client.get(f"{ROOT}/find"), await client.get(ROOT)
        assert SLOT.findall(page.text) == ["s1", "s2"]
        assert "Canary" not in page.text + mine.text
        ((id_,),) = rows(pool, 'SELECT id FROM resource WHERE body LIKE \'{"resourceType":"Appointment"%%\'')
        for path, fields in ((f"{ROOT}/cancel", {}), (f"{ROOT}/accept", {}), (f"{ROOT}/find", {"slot": "s1"})):
            refused = await post(client, path, page, appointment=id_, move=id_, **fields)
            unknown = await post(client, path, page, appointment="none", move="none", **fields)
            assert refused.status_code == unknown.status_code == 404
        assert (await client.get("/account/calendar")).status_code == 403

    browsing(database_url, book)
    browsing(database_url, look)
    assert appointments(pool) == [{"status": "booked", "slot": "Slot/s0"}]


def test_a_calendar_program_reads_along(database_url: str, pool: Pool) -> None:
    """By a secret address, until it is taken back or another one is made; it names no patient."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        await post(client, f"{ROOT}/find", await client.get(f"{ROOT}/find"), slot="s0", patient="p1")
        page = await client.get(ROOT)
        made = await post(client, f"{ROOT}/link", page)
        address = re.search(r"<code>([^<]+)</code>", made.text)
        assert address is not None
        path = urlsplit(address[1]).path
        client.cookies.clear()
        feed = await client.get(path)
        assert feed.headers["content-type"] == "text/calendar; charset=utf-8"
        (event,) = Calendar.from_ical(feed.content).walk("VEVENT")
        assert event.decoded("DTSTART") == DAY
        assert str(event["SUMMARY"]) == "Appointment with Dr. Dora"
        assert "Ada" not in feed.text
        assert (await client.get("/calendar/guess.ics")).status_code == 404
        await sign_in(client, "ada")
        await post(client, f"{ROOT}/unlink", await client.get(ROOT))
        assert (await client.get(path)).status_code == 404

    browsing(database_url, use)
    assert rows(pool, "SELECT count(*) FROM calendar_link") == [(0,)]


def test_a_clinician_sees_the_day(database_url: str, pool: Pool) -> None:
    """Who comes when; by check-in the visit begins; patients of others are not there."""

    async def book(client: httpx.AsyncClient) -> None:
        for name, slot, patient in (("ada", "s0", "p1"), ("eve", "s1", "p3")):
            client.cookies.clear()
            await sign_in(client, name)
            page = await client.get(f"{ROOT}/find")
            assert (await post(client, f"{ROOT}/find", page, slot=slot, patient=patient)).status_code == 303

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        for view in ("day", "week"):
            page = await client.get(f"/account/calendar?day={DAY.date()}&view={view}")
            assert "Ada Byron" in page.text
            assert "Eve Stone" in page.text  # who books with a clinician is in that one's care
        ids = re.findall(r'name="appointment" value="([^"]+)"', page.text)
        day = {"day": str(DAY.date())}
        done = await post(client, "/account/calendar", page, appointment=ids[0], what="arrived", **day)
        assert done.headers["location"] == f"/account/calendar?day={DAY.date()}"
        await post(client, "/account/calendar", page, appointment=ids[1], what="noshow", **day)
        assert [one["status"] for one in appointments(pool)] == ["arrived", "noshow"]

    browsing(database_url, book)
    mark(pool, handle)
    browsing(database_url, use)
    assert rows(pool, 'SELECT count(*) FROM resource WHERE body LIKE \'%%"status":"arrived","class"%%\'') == [(1,)]


def test_a_clinician_books_a_series(database_url: str, pool: Pool, people: Clinic) -> None:
    """All of it or nothing; it is cancelled from one of them on, by the clinician or by the patient. A patient's form
    books one.
    """
    for n in range(1, 4):
        start = DAY + timedelta(weeks=n)
        people.put({"resourceType": "Slot", "id": f"w{n}", "schedule": {"reference": "Schedule/cal"}, "status": "free",
                    "start": start.isoformat(), "end": (start + timedelta(minutes=30)).isoformat()})  # fmt: skip

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        page = await client.get(f"{ROOT}/find?with=Practitioner/d", headers={"Accept-Language": "de"})
        assert "jede Woche" in page.text
        asked = {"slot": "s0", "patient": "p1", "step": "7"}
        for count in ("0", "53", "x", "9" * 5000):
            assert (await post(client, f"{ROOT}/find", page, **asked, count=count)).status_code == 400
        assert (await post(client, f"{ROOT}/find", page, **asked | {"step": "8"}, count="2")).status_code == 400
        refused = await post(client, f"{ROOT}/find", page, **asked, count="5")
        assert (refused.status_code, "Not every time of the series is free" in refused.text) == (409, True)
        assert appointments(pool) == []
        assert (await post(client, f"{ROOT}/find", page, **asked, count="4")).status_code == 303
        assert [one["status"] for one in appointments(pool)] == ["booked"] * 4
        third = (DAY + timedelta(weeks=2)).date()
        page = await client.get(f"/account/calendar?day={third}")
        (id_,) = re.findall(r'name="appointment" value="([^"]+)"', page.text)
        await post(client, "/account/calendar", page, appointment=id_, what="cancel-series", day=str(third))
        assert [one["status"] for one in appointments(pool)] == ["booked", "booked", "cancelled", "cancelled"]

    async def patient(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = await client.get(f"{ROOT}/find")
        assert 'name="count"' not in page.text
        await post(client, f"{ROOT}/find", page, slot="s1", patient="p1", count="2", step="7")
        assert [one["slot"] for one in appointments(pool)][4:] == ["Slot/s1"]
        mine = await client.get(ROOT)
        first = re.search(r'name="series" value="yes">.*?name="appointment" value="([^"]+)"', mine.text, re.DOTALL)
        assert first is not None
        await post(client, f"{ROOT}/cancel", mine, appointment=first[1], series="yes")
        assert [one["status"] for one in appointments(pool)] == ["cancelled"] * 4 + ["booked"]

    browsing(database_url, use)
    browsing(database_url, patient)


def test_a_clinician_sets_opening_hours(database_url: str, pool: Pool) -> None:
    """The form makes the calendar; what is wrong is told by its day, and nothing is stored."""
    good = {"mon": "09:00-12:00, 13:00 - 15:00", "minutes": "30",
            "zone": "Europe/Vienna", "closed-from": "2026-12-24", "closed-name": "Christmas"}  # fmt: skip

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        page = await client.get("/account/calendar/hours")
        for wrong, told in (
            ({"mon": "09:00-12:00, 11:00-13:00"}, "Monday: the times overlap at 11:00"),
            ({"mon": "09:00-09:00"}, "Monday: 09:00 to 09:00 ends before it begins"),
            ({"mon": "9 to 5"}, "Monday: write times as"),
            ({"mon": "09:00-25:00"}, "Monday: write times as"),
            ({"zone": "Mars/Olympus"}, "That is no time zone"),
            ({"minutes": "0"}, "A slot takes from 5"),
            ({"minutes": "9" * 5000}, "A slot takes from 5"),
            ({"closed-to": "2026-12-01"}, "A holiday has a first day"),
        ):
            refused = await post(client, "/account/calendar/hours", page, **(good | wrong))
            assert (refused.status_code, told in refused.text) == (400, True), told
        assert (await post(client, "/account/calendar/hours", page, **good)).status_code == 303
        shown = await client.get("/account/calendar/hours")
        assert 'value="09:00-12:00, 13:00-15:00"' in shown.text
        assert "Christmas" in shown.text
        assert (await post(client, "/account/calendar/hours", shown, **(good | {"remove-0": "on"}))).status_code == 303

    browsing(database_url, use)
    ((source,),) = rows(pool, "SELECT 'PractitionerRole/' || id FROM resource WHERE body LIKE '%%slot-minutes%%'")

    assert filling.fill(pool, source, ZoneInfo("UTC"), 14, (BASE,)) > 10
