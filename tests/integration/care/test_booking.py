"""Calendars and appointments: nobody gets what somebody else has, whichever way it is written."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from healix_fhir.care.calendar import filling
from healix_fhir.interaction.accept import change
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.clock import instant, now
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.appointment import HELD_UNTIL, HOLD
from healix_fhir.model.json import decode, encode
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from tests.support.booking import appointment, at, call, mark, ref, refused, seed, slot, statuses, uri
from tests.support.fhir_server import BASE, SYSTEM, Pool, do, of_patient, put, rows, serve, with_scope

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def calendars(pool: Pool) -> None:
    """The clinic's calendars."""
    seed(pool)


def test_one_of_a_hundred_gets_a_slot(database_url: str, pool: Pool) -> None:
    """Of a hundred at once, by operation and by plain REST, one gets the slot; the others are told of the conflict."""

    async def use(interactions: Interactions) -> list[object]:
        created = [
            interactions.create(SYSTEM, "Appointment", encode(appointment("s1", patient=f"p{n}"))) for n in range(70)
        ]
        booked = [call(interactions, "book", slot=uri("Slot/s1"), patient_id=uri(f"Patient/q{n}")) for n in range(30)]
        return await asyncio.gather(*created, *booked, return_exceptions=True)

    done = serve(database_url, use)
    lost = [one for one in done if isinstance(one, HealixError)]
    assert len(lost) == 99, done
    assert {one.category for one in lost} == {Category.CONFLICT}
    assert rows(pool, "SELECT count(*) FROM taken WHERE NOT isempty(span)") == [(2,)]


def test_one_time_of_one_person_is_one(database_url: str, pool: Pool) -> None:
    """Slots of two calendars at one time are not both had, by one person or in one room; in one house they are."""

    async def use(interactions: Interactions) -> None:
        done = await asyncio.gather(
            *(interactions.create(SYSTEM, "Appointment", encode(appointment(one))) for one in ("s1", "long", "s2") * 5),
            return_exceptions=True,
        )
        made = [one for one in done if not isinstance(one, BaseException)]
        slots = {decode(one.stored.body)["slot"][0]["reference"] for one in made}
        assert slots in ({"Slot/long"}, {"Slot/s1", "Slot/s2"}) or slots in ({"Slot/s1"}, {"Slot/s2"})
        await interactions.create(SYSTEM, "Appointment", encode(appointment("other")))

    serve(database_url, use)


def test_the_room_is_one(database_url: str) -> None:
    """Two practitioners have not the same room at one time."""

    async def use(interactions: Interactions) -> None:
        await interactions.create(SYSTEM, "Appointment", encode(appointment("long")))
        assert await refused(interactions.create(SYSTEM, "Appointment", encode(appointment("shared")))) is (
            Category.CONFLICT
        )

    serve(database_url, use)


def test_whichever_way_it_is_written(database_url: str, pool: Pool) -> None:
    """Update, patch, batch and transaction keep to it; a refusal leaves what was; a deletion gives it free."""

    async def use(interactions: Interactions) -> None:
        first = await interactions.create(SYSTEM, "Appointment", encode(appointment("s1")))
        second = await interactions.create(SYSTEM, "Appointment", encode(appointment("s2", status="proposed")))
        a, b = first.stored.id, second.stored.id
        moved = appointment("s1") | {"id": b}
        assert await refused(interactions.update(SYSTEM, "Appointment", b, encode(moved))) is Category.CONFLICT
        patch = encode([{"op": "replace", "path": "/slot/0/reference", "value": "Slot/s1"},
                        {"op": "replace", "path": "/status", "value": "booked"}])  # fmt: skip
        kind = "application/json-patch+json"
        assert await refused(interactions.patch(SYSTEM, "Appointment", b, patch, kind)) is Category.CONFLICT
        entries = [{"resource": appointment("s1"), "request": {"method": "POST", "url": "Appointment"}}]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        assert await refused(interactions.bundle(SYSTEM, encode(bundle))) is Category.CONFLICT
        answer = await interactions.bundle(SYSTEM, encode(bundle | {"type": "batch"}))
        assert [entry.response and entry.response.status for entry in answer.entries] == ["409 Conflict"]
        await interactions.update(SYSTEM, "Appointment", b, encode(appointment("s2") | {"id": b}))
        assert await refused(interactions.update(SYSTEM, "Appointment", b, encode(moved))) is Category.CONFLICT
        assert await refused(interactions.create(SYSTEM, "Appointment", encode(appointment("s2")))) is Category.CONFLICT
        await interactions.delete(SYSTEM, "Appointment", a)
        await interactions.update(SYSTEM, "Appointment", b, encode(moved))
        await interactions.create(SYSTEM, "Appointment", encode(appointment("s2")))

    serve(database_url, use)


def test_a_calendar_and_its_appointment_in_one_transaction(database_url: str) -> None:
    """What is written together is looked at together."""
    schedule = {"resourceType": "Schedule", "id": "d3", "actor": [ref("Practitioner/d")]}
    there = [schedule, slot("s9", "d3", 10, 20), appointment("s9") | {"id": "a9"}]
    entries = [{"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
               for one in there]  # fmt: skip

    async def use(interactions: Interactions) -> None:
        await interactions.bundle(SYSTEM, encode({"resourceType": "Bundle", "type": "transaction", "entry": entries}))
        assert await refused(interactions.create(SYSTEM, "Appointment", encode(appointment("s1")))) is Category.CONFLICT

    serve(database_url, use)


@pytest.mark.parametrize(
    ("resource", "category"),
    [
        (appointment("closed"), Category.CONFLICT),
        (appointment("s1", start=at(60), end=at(90)), Category.UNPROCESSABLE),
        (appointment("s1", start=at(-5), end=at(20)), Category.UNPROCESSABLE),
        (appointment("s1", start=at(0)), Category.UNPROCESSABLE),
        (appointment("s1", start=at(30), end=at(30)), Category.UNPROCESSABLE),
        (slot("x", "d1", 0, 0), Category.UNPROCESSABLE),
        (slot("x", "d1", 0, 5) | {"start": "0001-01-01T00:00:00+14:00"}, Category.UNPROCESSABLE),
        (appointment("s1", start="9999-12-31T00:00:00Z", end="9999-12-31T23:59:59-12:00"), Category.UNPROCESSABLE),
        (
            appointment("s1", extension=[{"url": HELD_UNTIL, "valueInstant": "0001-01-01T00:00:00+14:00"}]),
            Category.UNPROCESSABLE,
        ),
        (slot("x", "d1", 5, 0), Category.UNPROCESSABLE),
        ({"resourceType": "Schedule", "actor": [ref("Patient/p")]}, Category.UNPROCESSABLE),
        ({"resourceType": "Schedule", "actor": [ref(f"{BASE}/RelatedPerson/p")]}, Category.UNPROCESSABLE),
    ],
)
def test_what_cannot_be(database_url: str, resource: Json, category: Category) -> None:
    """Slots and Appointments take some time that fits, and calendars are of no patient."""

    async def use(interactions: Interactions) -> None:
        assert await refused(interactions.create(SYSTEM, resource["resourceType"], encode(resource))) is category

    serve(database_url, use)


def test_statuses_move_as_they_may(database_url: str) -> None:
    """What is over does not begin again, by plain REST as well; and it tells what may follow."""

    async def use(interactions: Interactions) -> None:
        made = await interactions.create(SYSTEM, "Appointment", encode(appointment("s1")))
        id_ = made.stored.id
        for status in ("arrived", "fulfilled"):
            await interactions.update(
                SYSTEM, "Appointment", id_, encode(appointment("s1", status=status) | {"id": id_})
            )
        with pytest.raises(HealixError, match="is fulfilled does not become booked") as caught:
            await interactions.update(SYSTEM, "Appointment", id_, encode(appointment("s1") | {"id": id_}))
        assert caught.value.category is Category.UNPROCESSABLE
        patch = encode([{"op": "replace", "path": "/status", "value": "cancelled"}])
        kind = "application/json-patch+json"
        assert await refused(interactions.patch(SYSTEM, "Appointment", id_, patch, kind)) is Category.UNPROCESSABLE

    serve(database_url, use)


@pytest.mark.parametrize(
    ("resource", "refused_"),
    [
        (appointment("s1"), False),
        (appointment("s1", status="arrived"), True),
        (appointment("s1", status="noshow"), True),
        (appointment(status="proposed") | {"slot": []}, False),
        (appointment(start=at(0), end=at(30)), True),
        (appointment("s1", status="pending"), True),
        (appointment("s1", status="pending", extension=[{"url": HELD_UNTIL, "valueInstant": at(0)}]), True),
        (appointment(status="waitlist", created=instant(now())) | {"slot": []}, False),
        (appointment(status="waitlist", created="2020-01-01") | {"slot": []}, True),
        (appointment(status="waitlist", priority=1) | {"slot": []}, True),
    ],
)
def test_what_patients_say(database_url: str, pool: Pool, resource: Json, refused_: bool) -> None:
    """A patient's app takes a slot or asks for a time; who has come, what was agreed and how
    urgent it is, the clinic says.
    """
    resource = {name: value for name, value in resource.items() if value != []}

    async def use(interactions: Interactions) -> None:
        made = interactions.create(of_patient(pool, "p"), "Appointment", encode(resource))
        if refused_:
            assert await refused(made) is Category.UNPROCESSABLE
        else:
            await made

    serve(database_url, use)


def test_find_hold_book_move_cancel_arrive(database_url: str, pool: Pool) -> None:
    """A patient finds a time, holds it, books it, moves it and cancels; what is taken is not found by others."""
    access = of_patient(pool, "p")
    span = {"start": {"valueDateTime": at(0)}, "end": {"valueDateTime": at(200)}}

    async def found(interactions: Interactions, **more: Json) -> set[str]:
        answer = await call(interactions, "find", access, **span, **more)
        assert all(one["resource"]["status"] == "proposed" for one in answer.get("entry", ()))
        return {one["resource"]["id"] for one in answer.get("entry", ())}

    async def use(interactions: Interactions) -> None:
        assert await found(interactions) == {"other", "s1", "long", "s2", "shared"}
        assert await found(interactions, practitioner=uri("Practitioner/e")) == {"other", "shared"}
        held = await call(interactions, "hold", access, appt_id=uri("Appointment/s1"))
        first, told = (one["resource"] for one in held["entry"])
        assert (first["status"], first["start"], told["resourceType"]) == ("pending", at(0), "OperationOutcome")
        assert await found(interactions) == {"other", "s2", "shared"}
        other = of_patient(pool, "q")
        assert await refused(call(interactions, "book", other, slot=uri("Slot/s1"))) is Category.CONFLICT
        assert await refused(call(interactions, "book", other, appt_id=uri(f"Appointment/{first['id']}"))) is (
            Category.NOT_FOUND
        )
        done = await call(interactions, "book", access, appt_id=uri(f"Appointment/{first['id']}"))
        booked = done["entry"][0]["resource"]
        assert (booked["id"], booked["status"], "extension" in booked) == (first["id"], "booked", False)
        actors = [(one["actor"]["reference"], one["status"]) for one in booked["participant"]]
        assert actors == [(one, "accepted") for one in ("Practitioner/d", "Location/house", "Patient/p")]
        moved = await call(interactions, "reschedule", access, booked["id"], slot=uri("Slot/other"))
        again = moved["entry"][0]["resource"]
        actors = [(one["actor"]["reference"], one["status"]) for one in again["participant"]]
        assert actors == [(one, "accepted") for one in ("Practitioner/e", "Location/house", "Patient/p")]
        assert await found(interactions) == {"s1", "long", "s2", "shared"}
        gone = await call(interactions, "cancel", access, booked["id"], comment={"valueString": "ill"})
        cancelled = gone["entry"][0]["resource"]
        assert cancelled["cancelationReason"]["coding"][0]["code"] == "pat"
        assert await found(interactions) == {"other", "s1", "long", "s2", "shared"}
        assert await refused(call(interactions, "reschedule", access, booked["id"], slot=uri("Slot/s1"))) is (
            Category.CONFLICT
        )

    serve(database_url, use)
    mark(pool)
    assert {one for one, status in statuses(pool).items() if status == "free"} >= {"s1", "s2", "long", "other"}


@pytest.mark.parametrize(
    ("parts", "category"),
    [
        ({"slot": uri("Slot/past")}, Category.UNPROCESSABLE),
        ({"slot": uri("Slot/closed")}, Category.CONFLICT),
        ({"slot": uri("Slot/byhand")}, Category.CONFLICT),
        ({"slot": uri("Slot/none")}, Category.NOT_FOUND),
        ({"appt_id": uri("Appointment/none")}, Category.NOT_FOUND),
        ({"slot": uri("Slot/s1"), "slot_1": uri("Slot/byhand")}, Category.UNPROCESSABLE),
        ({"slot": uri("Slot/s1"), "patient_id": uri("Patient/q")}, Category.FORBIDDEN),
        ({"slot": uri("Patient/p")}, Category.INVALID),
        ({}, Category.INVALID),
        ({"slot": uri("Slot/s1"), "repeat_count": {"valueInteger": 99}}, Category.INVALID),
        ({"slot": uri("Slot/s1"), "repeat_count": {"valueInteger": 2}}, Category.CONFLICT),
    ],
)
def test_what_is_not_booked(database_url: str, pool: Pool, parts: Json, category: Category) -> None:
    """What is past, closed, not there, of others, or not whole is refused by its kind."""
    access = of_patient(pool, "p")

    async def use(interactions: Interactions) -> None:
        assert await refused(call(interactions, "book", access, **parts)) is category

    serve(database_url, use)
    assert rows(pool, "SELECT count(*) FROM taken") == [(0,)]


def test_a_hold_ends(database_url: str, pool: Pool) -> None:
    """When its time is over, somebody else gets the slot, whether anybody has looked at the hold or not."""
    access = of_patient(pool, "p")

    async def use(interactions: Interactions) -> None:
        held = (await call(interactions, "hold", access, slot=uri("Slot/s1")))["entry"][0]["resource"]
        with pool.connection() as connection:
            connection.execute("UPDATE taken SET until = now() - interval '1 second'")
        await call(interactions, "book", of_patient(pool, "q"), slot=uri("Slot/s1"))
        assert await refused(call(interactions, "book", access, appt_id=uri(f"Appointment/{held['id']}"))) is (
            Category.CONFLICT
        )

    serve(database_url, use)


def test_nobody_holds_everything(database_url: str, pool: Pool) -> None:
    """A patient's app holds some slots, not all that there are, whichever way; it books what it holds all the same."""
    for n in range(8):
        put(pool, slot(f"n{n}", "d1", 300 + 30 * n, 330 + 30 * n), f"n{n}")
    access = of_patient(pool, "p")

    async def use(interactions: Interactions) -> None:
        for n in range(5):
            held = await call(interactions, "hold", access, slot=uri(f"Slot/n{n}"))
        assert await refused(call(interactions, "hold", access, slot=uri("Slot/n6"))) is Category.BUSY
        until = [{"url": HELD_UNTIL, "valueInstant": instant(now() + HOLD)}]
        plain = appointment("n6", status="pending", start=at(480), end=at(510), extension=until)
        assert await refused(interactions.create(access, "Appointment", encode(plain))) is Category.BUSY
        id_ = held["entry"][0]["resource"]["id"]
        await call(interactions, "book", access, appt_id=uri(f"Appointment/{id_}"))
        await interactions.create(access, "Appointment", encode(plain))

    serve(database_url, use)


def test_a_series_is_had_whole(database_url: str, pool: Pool) -> None:
    """A series takes the same time each week, all or none of it; what is to come of it is cancelled together."""
    for week in (1, 2):
        put(pool, slot(f"w{week}", "d1", week * 10_080, week * 10_080 + 30), f"w{week}")
    access = of_patient(pool, "p")

    async def use(interactions: Interactions) -> None:
        count = {"repeat_count": {"valueInteger": 3}}
        done = await call(interactions, "book", access, slot=uri("Slot/s1"), **count)
        made = [one["resource"] for one in done["entry"] if one["resource"]["resourceType"] == "Appointment"]
        assert [one["start"] for one in made] == [at(0), at(10_080), at(20_160)]
        assert len({one["identifier"][0]["value"] for one in made}) == 1
        gone = await call(interactions, "cancel", access, made[1]["id"], series={"valueBoolean": True})
        assert sorted(one["resource"]["start"] for one in gone["entry"]) == [at(10_080), at(20_160)]

    serve(database_url, use)


def test_the_patient_comes(database_url: str, pool: Pool) -> None:
    """By check-in the Appointment is arrived and an Encounter begins, once; who sees neither is told of neither."""

    async def use(interactions: Interactions) -> None:
        done = await call(interactions, "book", slot=uri("Slot/s1"), patient_id=uri("Patient/p"))
        id_ = done["entry"][0]["resource"]["id"]
        for _ in range(2):
            answer = await call(interactions, "check-in", SYSTEM, id_)
            arrived, visit = (one["resource"] for one in answer["entry"])
            assert (arrived["status"], visit["status"], visit["class"]["code"]) == ("arrived", "arrived", "AMB")
            assert visit["subject"] == ref("Patient/p")
            assert visit["participant"] == [{"individual": ref("Practitioner/d")}]
        elsewhere = [{"actor": ref("https://elsewhere.test/fhir/Patient/q"), "status": "accepted"}]
        foreign = await interactions.create(
            SYSTEM, "Appointment", encode(appointment("other") | {"participant": elsewhere})
        )
        assert await refused(call(interactions, "check-in", SYSTEM, foreign.stored.id)) is Category.UNPROCESSABLE
        moved = await call(interactions, "reschedule", SYSTEM, foreign.stored.id, slot=uri("Slot/shared"))
        assert elsewhere[0]["actor"] in [one["actor"] for one in moved["entry"][0]["resource"]["participant"]]
        assert await refused(call(interactions, "check-in", of_patient(pool, "q"), id_)) is Category.NOT_FOUND
        blind = with_scope("system/Appointment.cruds")
        assert await refused(call(interactions, "check-in", blind, id_)) is Category.FORBIDDEN

    serve(database_url, use)


def test_slots_tell_that_they_are_busy_and_nothing_more(database_url: str, pool: Pool) -> None:
    """Slots follow the Appointments: their own, and those of the same time; what people made busy stays so."""

    async def use(interactions: Interactions) -> str:
        made = await interactions.create(SYSTEM, "Appointment", encode(appointment("s1")))
        return made.stored.id

    id_ = serve(database_url, use)
    mark(pool)
    found = statuses(pool)
    assert {one for one, status in found.items() if status == "busy"} == {"s1", "long", "byhand"}
    put(pool, slot("late", "d2", 5, 10), "late")
    mark(pool)
    assert statuses(pool)["late"] == "busy"
    put(pool, appointment("s1", status="cancelled"), id_)
    mark(pool)
    assert {one for one, status in statuses(pool).items() if status == "busy"} == {"byhand"}
    assert b"Patient" not in b"".join(body for (body,) in rows(pool, "SELECT body FROM resource WHERE id = 's1'"))


def test_a_slot_that_is_closed_meanwhile_stays_closed(pool: Pool) -> None:
    """Who closes a slot in the moment in which it is marked as busy has closed it."""
    put(pool, appointment("s1"), "a")
    written, closed = threading.Event(), slot("s1", "d1", 0, 30, status="busy-unavailable")

    def close() -> Work[None]:
        yield from commit(SYSTEM, [change(Method.PUT, closed, "Slot", "s1", (BASE,))])
        written.set()
        time.sleep(0.5)

    thread = threading.Thread(target=lambda: do(pool, close))
    thread.start()
    assert written.wait(10)
    mark(pool)
    thread.join()
    assert statuses(pool)["s1"] == "busy-unavailable"


def test_calendars_are_made_of_opening_hours(database_url: str, pool: Pool) -> None:
    """A role with hours gets a calendar, each slot once; hours that end leave only what is taken, closed for others."""
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    hours = {"daysOfWeek": days, "availableStartTime": "09:00:00", "availableEndTime": "11:00:00"}
    role = {
        "resourceType": "PractitionerRole",
        "id": "busy",
        "practitioner": ref("Practitioner/z"),
        "extension": [{"url": "urn:healix:slot-minutes", "valuePositiveInt": 30},
                      {"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "Europe/Vienna"}],
        "availableTime": [hours],
    }  # fmt: skip
    put(pool, role, "busy")
    mark(pool)
    assert rows(pool, "SELECT args->>'source' FROM procrastinate_jobs WHERE task_name = 'calendar.fill'") == [
        ("PractitionerRole/busy",)
    ]

    def fill() -> int:
        return filling.fill(pool, "PractitionerRole/busy", ZoneInfo("UTC"), 5, (BASE,))

    assert fill() >= 21
    assert fill() == 0
    made = rows(pool, "SELECT id, body FROM resource WHERE id LIKE 'slot-%%' AND NOT deleted ORDER BY d")
    assert {decode(body)["start"][14:] for _, body in made} == {"00:00.000Z", "30:00.000Z"}

    async def use(interactions: Interactions) -> None:
        await interactions.create(SYSTEM, "Appointment", encode(appointment(made[-1][0])))

    serve(database_url, use)
    mark(pool)
    taken = [id_ for id_, _ in made[-2:]]
    put(pool, appointment(taken[0], start=decode(made[-2][1])["start"], end=decode(made[-2][1])["end"]), "unmarked")
    put(pool, role | {"availableTime": [], "active": False}, "busy")
    fill()
    left = rows(pool, "SELECT id, body FROM resource WHERE id LIKE 'slot-%%' AND NOT deleted")
    assert {id_: decode(body)["status"] for id_, body in left} == dict.fromkeys(taken, "busy-unavailable")
    put(pool, role, "busy")
    fill()
    mark(pool)
    assert [statuses(pool)[one] for one in taken] == ["busy", "busy"]
    assert set(statuses(pool).values()) >= {"free"}
