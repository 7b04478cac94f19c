"""Holds that end, the waiting list, reminders: what the worker does for appointments."""

from __future__ import annotations

from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from healix_fhir.care.calendar import waiting as module
from healix_fhir.care.calendar.reminding import reminded
from healix_fhir.care.calendar.telling import Told
from healix_fhir.care.calendar.waiting import expired, offered
from healix_fhir.care.tongues import tongues
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.clock import instant, now
from healix_fhir.model.json import decode
from smart_auth.account.home import Home
from tests.support.booking import appointment, at, call, mark, ref, seed, slot, uri
from tests.support.fhir_server import BASE, Pool, do, of_patient, put, rows, serve

Json = dict[str, Any]
TELL = Told("https://clinic.test", ZoneInfo("Europe/Vienna"), texts=True)


def waiting(id_: str, patient: str, **more: Any) -> Json:
    """Who waits for the practitioner e."""
    return {
        "resourceType": "Appointment",
        "id": id_,
        "status": "waitlist",
        "participant": [{"actor": ref(f"Patient/{patient}"), "status": "accepted"},
                        {"actor": ref("Practitioner/e"), "status": "needs-action"}],
        **more,
    }  # fmt: skip


def found(pool: Pool, id_: str) -> Json:
    """An Appointment as it is."""
    ((body,),) = rows(pool, "SELECT body FROM resource WHERE id = %s", id_)
    return decode(body)


def work(pool: Pool) -> tuple[int, int]:
    """What the worker does each minute: ended holds, and offers."""
    return do(pool, lambda: expired((BASE,))), do(pool, lambda: offered((BASE,), TELL))


def over(pool: Pool) -> None:
    """Let the time of all holds be over."""
    for (id_,) in rows(pool, "SELECT DISTINCT appointment FROM taken WHERE until IS NOT NULL"):
        resource = found(pool, id_)
        for extension in resource["extension"]:
            extension["valueInstant"] = instant(now())
        put(pool, resource, id_)


@pytest.fixture(autouse=True)
def accounts(pool: Pool) -> None:
    """The patient p has an account with a mail address, and a mobile number."""
    seed(pool)
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO account (username, role, fhir_user, password_hash, mail)"
            " VALUES ('pat', 'patient', 'Patient/p', '', 'pat@x.test')"
        )
    telecom = [{"system": "phone", "use": "mobile", "value": "+431"}]
    put(pool, {"resourceType": "Patient", "id": "p", "telecom": telecom}, "p")


def test_who_waits_is_offered_what_is_free_in_order(database_url: str, pool: Pool) -> None:
    """The most urgent first, then who has waited longest; what nobody takes up in time goes to the next, and not to the
    same again.
    """
    for one in ("other", "shared"):
        put(pool, slot(one, "e", 0, 30, status="busy-unavailable"), one)
    put(pool, waiting("late", "p", created="2026-01-02"), "late")
    put(pool, waiting("early", "q", created="2026-01-01"), "early")
    put(pool, waiting("urgent", "r", created="2026-01-03", priority=1), "urgent")
    put(pool, waiting("elsewhen", "p", requestedPeriod=[{"start": at(1000), "end": at(2000)}]), "elsewhen")
    assert work(pool) == (0, 0)
    put(pool, slot("other", "e", 0, 30), "other")
    assert work(pool) == (0, 1)
    urgent = found(pool, "urgent")
    assert (urgent["status"], urgent["slot"], urgent["start"]) == ("pending", [ref("Slot/other")], at(0))
    assert work(pool) == (0, 0)
    over(pool)
    assert work(pool) == (1, 1)
    assert found(pool, "urgent") == waiting("urgent", "r", created="2026-01-03", priority=1) | {
        "meta": found(pool, "urgent")["meta"]
    }
    assert found(pool, "early")["status"] == "pending"
    over(pool)
    assert work(pool) == (1, 1)
    assert found(pool, "late")["status"] == "pending"
    ((to, text),) = rows(pool, "SELECT recipient, text FROM mail")
    assert to == "pat@x.test"
    assert "a time is free" in text
    assert "Practitioner" not in text

    async def book(interactions: Interactions) -> Json:
        return await call(interactions, "book", of_patient(pool, "p"), None, appt_id=uri("Appointment/late"))

    booked = serve(database_url, book)["entry"][0]["resource"]
    assert booked["status"] == "booked"
    assert {one["actor"]["reference"] for one in booked["participant"]} == {
        "Patient/p", "Practitioner/e", "Location/house",
    }  # fmt: skip
    mark(pool)
    assert work(pool) == (0, 0)


def test_the_most_urgent_comes_first_of_however_many(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is to be offered something first is so wherever their Appointment stands among the others."""
    monkeypatch.setattr(module, "LOOKED_AT", 2)
    for one in ("other", "shared"):
        put(pool, slot(one, "e", 0, 30, status="busy-unavailable"), one)
    for number in range(4):
        put(pool, waiting(f"a{number}", "q", created="2026-01-01"), f"a{number}")
    put(pool, waiting("z", "p", created="2026-01-02", priority=1), "z")
    put(pool, slot("other", "e", 0, 30), "other")
    assert work(pool) == (0, 1)
    assert found(pool, "z")["status"] == "pending"


def test_a_hold_that_nobody_books_is_cancelled(database_url: str, pool: Pool) -> None:
    """A hold ends by itself, says why, and is no appointment any more."""

    async def hold(interactions: Interactions) -> str:
        done = await call(interactions, "hold", of_patient(pool, "p"), None, slot=uri("Slot/s1"))
        return str(done["entry"][0]["resource"]["id"])

    id_ = serve(database_url, hold)
    assert work(pool)[0] == 0
    over(pool)
    assert work(pool)[0] == 1
    assert found(pool, id_)["status"] == "cancelled"
    assert "extension" not in found(pool, id_)
    assert rows(pool, "SELECT count(*) FROM taken") == [(0,)]


def test_people_are_reminded_once(pool: Pool) -> None:
    """By mail and text message, once for each time, saying when and nothing of whom or what for; and nobody is told of
    somebody who has the same id on another server.
    """
    put(pool, appointment(start=at(0), end=at(30), description="Canary") | {"slot": [ref("Slot/s1")]}, "a")
    elsewhere = {"participant": [{"actor": ref("https://elsewhere.test/fhir/Patient/p"), "status": "accepted"}]}
    put(pool, appointment("other", start=at(0), end=at(30)) | elsewhere, "elsewhere")
    assert do(pool, lambda: reminded(TELL, 24, (BASE,))) == 0
    assert [do(pool, lambda: reminded(TELL, 24 * 5, (BASE,))) for _ in range(2)] == [2, 0]
    ((to, text),) = rows(pool, "SELECT recipient, text FROM mail")
    assert to == "pat@x.test"
    assert "(Europe/Vienna)" in text
    assert "Canary" not in text
    ((number, said),) = rows(
        pool, "SELECT args->>'to', args->>'text' FROM procrastinate_jobs WHERE task_name = 'sms.send'"
    )
    assert number == "+431"
    assert "https://clinic.test/account/appointments" in said
    put(pool, appointment(start=at(30), end=at(60)) | {"slot": [ref("Slot/s2")]}, "a")
    assert do(pool, lambda: reminded(TELL, 24 * 5, (BASE,))) == 1
    put(pool, appointment(start=at(0), end=at(30), status="cancelled") | {"slot": [ref("Slot/s1")]}, "a")
    assert do(pool, lambda: reminded(TELL, 24 * 5, (BASE,))) == 0


def test_each_is_told_in_their_language_and_by_their_clock(pool: Pool) -> None:
    """What they chose for the account, else what the Patient prefers, else the clinic's; mails and text messages."""
    put(pool, appointment(start=at(0), end=at(30)) | {"slot": [ref("Slot/s1")]}, "a")
    zone = {"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "America/New_York"}
    languages = [{"language": {"coding": [{"code": "es"}]}},
                 {"language": {"coding": [{"code": "fr-CA"}]}, "preferred": True}]  # fmt: skip
    german = msgspec.structs.replace(TELL, language="de")
    home = Home("https://clinic.test", "de", tongues)  # mails about accounts come from there
    hers, nobodys = partial(home.spoken, "pat"), partial(home.spoken, "nobody")
    at_her_address = partial(home.spoken_at, "pat@x.test")
    for chosen, record, words, clock, spoken in (
        (None, {}, "Dies ist eine Erinnerung", "(Europe/Vienna)", "de"),
        (None, {"communication": languages, "extension": [zone]}, "rappel", "(America/New_York)", "fr"),
        ("hi", {"communication": languages}, "याद", "(Europe/Vienna)", "hi"),
    ):
        telecom = [{"system": "sms", "value": "+431"}]
        put(pool, {"resourceType": "Patient", "id": "p", "telecom": telecom} | record, "p")
        with pool.connection() as connection:
            connection.execute("UPDATE account SET language = %s", (chosen,))
            for table in ("mail", "procrastinate_jobs", "reminder"):
                connection.execute(f"DELETE FROM {table}")
        assert do(pool, lambda: reminded(german, 24 * 5, (BASE,))) == 1
        ((mail,),) = rows(pool, "SELECT text FROM mail")
        ((text,),) = rows(pool, "SELECT args->>'text' FROM procrastinate_jobs WHERE task_name = 'sms.send'")
        for said in (mail, text):
            assert words in said, said
            assert clock in said
        assert [do(pool, asked) for asked in (hers, nobodys, at_her_address)] == [spoken, "de", spoken]
