"""Calendars and appointments: nobody gets what somebody else has, whichever way it is written."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from healix_fhir.care.calendar import filling, marking
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation import registry
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.fhir_server import BASE, SYSTEM, Pool, of_patient, put, rows, serve, with_scope

Json = dict[str, Any]
DAY = (datetime.now(UTC) + timedelta(days=3)).replace(hour=9, minute=0, second=0, microsecond=0)
ROOM = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/location-physical-type", "code": "ro"}]}


def at(minutes: int) -> str:
    """A moment of the day of these tests."""
    return instant(DAY + timedelta(minutes=minutes))


def ref(text: str) -> dict[str, str]:
    """A reference."""
    return {"reference": text}


def slot(id_: str, schedule: str, start: int, end: int, **more: Any) -> Json:
    """A free Slot."""
    made = {"resourceType": "Slot", "id": id_, "schedule": ref(f"Schedule/{schedule}"), "status": "free"}
    return made | {"start": at(start), "end": at(end)} | more


def appointment(*slots: str, patient: str = "p", status: str = "booked", **more: Any) -> Json:
    """An Appointment with slots."""
    return {
        "resourceType": "Appointment",
        "status": status,
        "slot": [ref(f"Slot/{one}") for one in slots],
        "participant": [{"actor": ref(f"Patient/{patient}"), "status": "accepted"}],
        **more,
    }


@pytest.fixture(autouse=True)
def calendars(pool: Pool) -> None:
    """Two calendars of the practitioner d, one in a room, and two of e, one in that room; the others are in a house."""
    there: list[Json] = [
        {"resourceType": "Patient", "id": "p"},
        {"resourceType": "Patient", "id": "q"},
        {"resourceType": "Location", "id": "room", "physicalType": ROOM},
        {"resourceType": "Location", "id": "house"},
        {"resourceType": "PractitionerRole", "id": "role", "practitioner": ref("Practitioner/d")},
        {"resourceType": "Schedule", "id": "d1", "actor": [ref("Practitioner/d"), ref("Location/house")]},
        {"resourceType": "Schedule", "id": "d2", "actor": [ref("PractitionerRole/role"), ref("Location/room")]},
        {"resourceType": "Schedule", "id": "e", "actor": [ref("Practitioner/e"), ref("Location/house")]},
        {"resourceType": "Schedule", "id": "e2", "actor": [ref("Practitioner/e"), ref("Location/room")]},
        slot("s1", "d1", 0, 30),
        slot("s2", "d1", 30, 60),
        slot("long", "d2", 15, 75),
        slot("other", "e", 0, 30),
        slot("shared", "e2", 60, 90),
        slot("past", "d1", -10_000, -9_970),
        slot("closed", "d1", 90, 120, status="busy-unavailable"),
        slot("byhand", "d1", 120, 150, status="busy"),
    ]  # fmt: skip
    for one in there:
        put(pool, one, one["id"])


async def call(
    interactions: Interactions, name: str, access: AccessContext = SYSTEM, id_: str | None = None, /, **parts: Json
) -> Json:
    """The answer of an operation on Appointments."""
    listed = [{"name": key.replace("_", "-").removesuffix("-1"), **value} for key, value in parts.items()]
    body = encode({"resourceType": "Parameters", "parameter": listed}) if listed else b""
    asked = Invocation(body=body, type="Appointment", id=id_)
    operation = registry.find(name, asked)
    answer = await registry.run(operation, interactions, access, asked)
    assert isinstance(answer, bytes)
    return decode(answer)


def uri(text: str) -> Json:
    """A parameter that is a reference."""
    return {"valueUri": text}


async def refused(work: Any) -> Category:
    """Why something is refused."""
    with pytest.raises(HealixError) as caught:
        await work
    return caught.value.category


def mark(pool: Pool) -> None:
    """What the worker does with events."""
    with pool.connection() as connection:
        while drain(connection, {"resource": [marking.consumer((BASE,)), filling.consumer]}):
            pass


def statuses(pool: Pool) -> dict[str, str]:
    """The status of each Slot."""
    found = rows(pool, "SELECT id, body FROM resource WHERE type = (SELECT type FROM resource WHERE id = 's1')")
    return {id_: decode(body)["status"] for id_, body in found if body}


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
    ],
)
def test_what_patients_say(database_url: str, pool: Pool, resource: Json, refused_: bool) -> None:
    """A patient's app takes a slot or asks for a time; who has come, and what was agreed, the clinic says."""
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
    """A patient's app holds some slots, not all that there are."""
    for n in range(8):
        put(pool, slot(f"n{n}", "d1", 300 + 30 * n, 330 + 30 * n), f"n{n}")
    access = of_patient(pool, "p")

    async def use(interactions: Interactions) -> None:
        for n in range(5):
            await call(interactions, "hold", access, slot=uri(f"Slot/n{n}"))
        assert await refused(call(interactions, "hold", access, slot=uri("Slot/n6"))) is Category.BUSY

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
    put(pool, role | {"availableTime": [], "active": False}, "busy")
    fill()
    left = rows(pool, "SELECT id, body FROM resource WHERE id LIKE 'slot-%%' AND NOT deleted")
    assert [(id_, decode(body)["status"]) for id_, body in left] == [(made[-1][0], "busy-unavailable")]
    put(pool, role, "busy")
    fill()
    mark(pool)
    assert statuses(pool)[made[-1][0]] in ("free", "busy")
