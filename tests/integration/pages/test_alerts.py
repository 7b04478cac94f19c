"""Alerts on pages: rules in a form, the clinician's inbox, the patient's own in plain words."""

from __future__ import annotations

import asyncio
from datetime import UTC
from typing import Any

import httpx

from healix_fhir.care.alerts import watch
from healix_fhir.care.alerts.clinic import Clinic as Settled
from healix_fhir.care.relationships import handle
from healix_fhir.kernel import clock
from healix_fhir.kernel.consume import drain
from healix_fhir.model.json import decode
from tests.support.alerts import plan, reading
from tests.support.gate import Pool
from tests.support.portal import browser, csrf, sign_in
from tests.support.search import BASE, Clinic

ALERTS = "/account/alerts"
RULES = f"{ALERTS}/rules"
FLAGS = "/account/flags"
LIMIT = {"measure": "heart-rate", "kind": "above", "limit": "120", "margin": "10", "priority": "stat", "tell": "on"}


def work(pool: Pool) -> None:
    """What the job worker does."""
    with pool.connection() as connection:
        while drain(connection, {"resource": [handle, watch.consumer(Settled((BASE,), UTC))]}):
            pass


def stored(pool: Pool, kind: str) -> list[dict[str, Any]]:
    """The resources of a type, the oldest first."""
    with pool.connection() as connection:
        found = connection.execute("SELECT body FROM resource WHERE NOT deleted ORDER BY pk").fetchall()
        return [one for (body,) in found if (one := decode(bytes(body)))["resourceType"] == kind]


async def send(client: httpx.AsyncClient, address: str, **fields: str) -> httpx.Response:
    """A form of a page."""
    token = csrf(await client.get("/account/"))
    return await client.post(address, data={"csrf": token, **fields})


async def flagged(doctor: httpx.AsyncClient, ada: httpx.AsyncClient, alert: str) -> None:
    """Who cares for the patient reads her flags, with a way to the alert; she reads her own; nobody else's are told."""
    for address in (FLAGS, f"{FLAGS}?patient=p1"):
        told = (await doctor.get(address)).text
        assert all(one in told for one in ("Heart rate above 120 /min", "Urgent", "Ada Byron&lt;b&gt;")), told
        assert f'href="{ALERTS}#alert-{alert}"' in told
    inbox = (await doctor.get(ALERTS)).text
    assert f'id="alert-{alert}"' in inbox
    assert f'href="{FLAGS}?patient=p1"' in inbox
    own = (await ada.get(FLAGS)).text
    assert "Heart rate above 120 /min" in own
    assert "See the alert" not in own
    german = (await ada.get(FLAGS, headers={"Accept-Language": "de"})).text
    assert "<h1>Hinweise</h1>" in german
    assert (await doctor.get(f"{FLAGS}?patient=p3")).status_code == 404
    ada.cookies.clear()
    assert (await ada.get(FLAGS)).headers["location"] == "/account/login"
    await sign_in(ada, "ada")


def test_rules_alerts_and_what_people_do_with_them(database_url: str, pool: Pool, people: Clinic) -> None:
    """A clinician puts a limit in force, sees the alert, acknowledges and resolves it; the patient reads of it."""
    work(pool)

    async def begin() -> None:
        async with browser(database_url) as doctor:
            await sign_in(doctor, "dr")
            assert f"{RULES}?patient=p1" in (await doctor.get("/account/")).text
            assert "There are no open alerts" in (await doctor.get(ALERTS)).text
            wrong = await send(doctor, RULES, patient="p1", **LIMIT | {"limit": "900"})
            assert (wrong.status_code, "write a number from 10 to 350 /min" in wrong.text) == (400, True)
            made = await send(doctor, RULES, patient="p1", plain="Your <heart>", minutes="30", **LIMIT)
            assert (made.status_code, made.headers["location"]) == (303, f"{RULES}?patient=p1")
            assert "being read" in (await doctor.get(f"{RULES}?patient=p1")).text
            assert (await doctor.get(f"{RULES}?patient=p3")).status_code == 404
            assert (await send(doctor, RULES, patient="p3", **LIMIT)).status_code == 404

    async def alerted() -> None:
        async with browser(database_url) as doctor, browser(database_url) as ada, browser(database_url) as eve:
            await sign_in(doctor, "dr")
            assert "in force" in (await doctor.get(f"{RULES}?patient=p1")).text
            inbox = (await doctor.get(ALERTS)).text
            assert "Heart rate above 120 /min" in inbox
            assert "Ada Byron&lt;b&gt;" in inbox
            assert "131 /min" in inbox
            await sign_in(ada, "ada")
            own = (await ada.get(ALERTS)).text
            assert "Your &lt;heart&gt;" in own
            assert "Your care team has been told." in own
            (alert,) = stored(pool, "DetectedIssue")
            worded = [{"detail": [{"display": "what was told on the telephone"}]}]
            people.put(alert | {"evidence": [*worded, *alert["evidence"], *worded]})
            people.put({"resourceType": "Communication", "id": "other", "status": "completed",
                        "sent": alert["identifiedDateTime"], "category": [{"coding": [{"code": "alert"}]}],
                        "subject": {"reference": "Patient/p1"},
                        "recipient": [{"reference": "Patient/p1"}], "about": [{"display": "x"}],
                        "payload": [{"contentString": "by an app"}]})  # fmt: skip
            assert "Heart rate above 120 /min" in (await doctor.get(ALERTS)).text
            await flagged(doctor, ada, alert["id"])
            assert "by an app" in (await ada.get(ALERTS)).text
            assert (await send(ada, ALERTS, alert=alert["id"], deed="resolve")).status_code == 403
            assert (await ada.get(RULES)).status_code == 403
            await sign_in(eve, "eve")
            assert "There is nothing to tell you" in (await eve.get(ALERTS)).text
            assert "There are no open flags" in (await eve.get(FLAGS)).text
            assert (await eve.get(f"{FLAGS}?patient=p1")).status_code == 404
            seen = await send(doctor, ALERTS, alert=alert["id"], deed="acknowledge", note="called her")
            assert (seen.status_code, seen.headers["location"]) == (303, ALERTS)
            assert "Acknowledged: called her" in (await doctor.get(ALERTS)).text
            assert "Somebody of your care team" in (await ada.get(ALERTS)).text
            assert (await send(doctor, ALERTS, alert=alert["id"], deed="resolve")).status_code == 303
            assert (await send(doctor, ALERTS, alert=alert["id"], deed="resolve")).status_code == 409
            assert "There are no open alerts" in (await doctor.get(ALERTS)).text
            (plan_,) = stored(pool, "CarePlan")
            assert (await send(doctor, f"{RULES}/end", patient="p1", rule=plan_["id"])).status_code == 303
            work(pool)
            assert "There are none." in (await doctor.get(f"{RULES}?patient=p1")).text
            assert "This has been dealt with." in (await ada.get(ALERTS)).text
            assert "There are no open flags" in (await doctor.get(FLAGS)).text

    asyncio.run(begin())
    work(pool)
    people.put(reading("o", 131, clock.now(), "p1"))
    work(pool)
    (alert,) = stored(pool, "DetectedIssue")
    assert (alert["severity"], alert["code"]) == ("high", {"text": "Heart rate above 120 /min"})
    asyncio.run(alerted())
    (alert,) = stored(pool, "DetectedIssue")
    assert [one["action"]["text"] for one in alert["mitigation"]] == ["called her", "Resolved"]
    assert (alert["status"], alert["mitigation"][0]["author"]) == ("final", {"reference": "Practitioner/d"})


def test_administrators_put_rules_in_force_for_all(database_url: str, pool: Pool, people: Clinic) -> None:
    """A limit on a blood pressure finds it by itself and in the panel; a rule that is not understood says why."""
    people.put(plan({"id": "x", "title": "Other", "trigger": [{"type": "named-event", "name": "x"}]}, id="odd"))

    async def use() -> None:
        async with browser(database_url) as root, browser(database_url) as doctor:
            await sign_in(root, "root")
            assert (await root.get(ALERTS)).headers["location"] == "/admin/alerts"
            made = await send(root, "/admin/alerts", measure="8480-6", kind="above", limit="160", priority="urgent")
            assert made.status_code == 303
            assert (await send(root, "/admin/alerts", measure="none")).status_code == 400
            work(pool)
            shown = (await root.get("/admin/alerts")).text
            assert "Upper blood pressure (systolic) above 160 mmHg" in shown
            assert "is not understood: data-added" in shown
            await sign_in(doctor, "dr")
            assert (await doctor.get("/admin/alerts")).status_code == 403

    asyncio.run(use())
    coded = {"system": "http://loinc.org", "code": "8480-6"}
    panel = reading("panel", 1, clock.now(), "p2", code="85354-9")
    value = reading("x", 170, clock.now(), unit="mm[Hg]")["valueQuantity"]
    del panel["valueQuantity"]
    people.put(
        panel | {"component": [{"code": {"coding": [coded]}, "valueQuantity": value}]},
        reading("single", 171, clock.now(), "p1", code="8480-6", unit="mm[Hg]"),
    )
    work(pool)
    assert sorted(one["patient"]["reference"] for one in stored(pool, "DetectedIssue")) == ["Patient/p1", "Patient/p2"]
    made = next(one for one in stored(pool, "PlanDefinition") if one["id"] != "odd")

    async def end() -> None:
        async with browser(database_url) as root:
            await sign_in(root, "root")
            assert (await send(root, "/admin/alerts/end", rule=made["id"])).status_code == 303

    asyncio.run(end())
    assert next(one for one in stored(pool, "PlanDefinition") if one["id"] != "odd")["status"] == "retired"
