"""Whose record and which visit an app is about: parents, visits, and what a launch says beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from healix_fhir.kernel.database import transaction
from smart_auth.oauth.launch import Launched, create_launch
from smart_auth.proxies import link
from tests.integration.pages.test_authorize import browsing, log_in
from tests.support.apps import LISTED, allow, app, ask, granted, request_of, send, ticked, told
from tests.support.gate import Pool
from tests.support.portal import account, csrf, sign_in
from tests.support.search import Clinic

CHILD = "launch/patient openid fhirUser patient/Patient.rs"
VISIT = "launch/patient launch/encounter patient/Patient.rs"
DAYS = 30
TODAY = datetime.now(UTC).replace(microsecond=0)


def related(id_: str, patient: str, **elements: Any) -> dict[str, Any]:
    """A parent of a patient."""
    return {"resourceType": "RelatedPerson", "id": id_, "patient": {"reference": f"Patient/{patient}"}, **elements}


@pytest.fixture(autouse=True)
def family(people: Clinic, pool: Pool) -> Clinic:
    """The patient ada (p1) acts for bob (p2), "dad" is nobody but the parent of bob, "gran" of bob and eve (p3)."""
    people.put(*(related(f"r{n}", patient) for n, patient in enumerate(("p2", "p2", "p2", "p3"))))
    transaction(pool, lambda: link("ada", "RelatedPerson/r0"))
    account(pool, "dad", "patient", "RelatedPerson/r1")
    account(pool, "gran", "patient", "RelatedPerson/r2")
    transaction(pool, lambda: link("gran", "RelatedPerson/r3"))
    return people


@pytest.fixture
def visited(people: Clinic) -> Clinic:
    """A visit of p1 on each of the last days, and one that was cancelled."""
    for n in range(DAYS):
        moment = (TODAY - timedelta(days=n)).isoformat()
        people.put(
            {
                "resourceType": "Encounter", "id": f"v{n}", "status": "cancelled" if n == 3 else "finished",
                "class": {"code": "AMB"}, "type": [{"text": f"Check-up {n}"}],
                "subject": {"reference": "Patient/p1"}, "period": {"start": moment, "end": moment},
            }
        )  # fmt: skip
    return people


@pytest.mark.spec("SMART App Launch 2.2 scopes-and-launch-context.html#apps-that-launch-standalone")
def test_a_parent_chooses(database_url: str, pool: Pool, family: Clinic) -> None:
    """A patient with a child chooses between both records, the own one first; the app gets the chosen one, as fhirUser
    the person.
    """
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        picker = await log_in(client, await ask(client, client_id, scope=CHILD), "ada")
        assert LISTED.findall(picker.text) == ["p1", "p2"]
        assert "your own record" in picker.text
        for foreign in ("p3", "nobody", ""):
            assert (await send(client, picker, "authorize/patient", patient=foreign)).status_code == 400
        consent = await send(client, picker, "authorize/patient", patient="p2")
        assert "In the record of Bob Hale" in consent.text
        told(await allow(client, consent))
        assert told(await ask(client, client_id, scope=CHILD, prompt="none"))["error"] == "interaction_required"
        picker = await ask(client, client_id, scope=CHILD, prompt="consent")
        own = await send(client, picker, "authorize/patient", patient="p1")
        assert "In your record (Ada Byron" in own.text
        told(await allow(client, own))

    browsing(database_url, use)
    assert [grant.patient for grant in granted(pool)] == ["p2", "p1"]


def test_a_parent_of_one_child_has_nothing_to_choose(database_url: str, pool: Pool, family: Clinic) -> None:
    """Where a person sees one record only, it is that; when that ends, the app is let in no further."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        consent = await log_in(client, await ask(client, client_id, scope=CHILD), "dad")
        assert "In the record of Bob Hale" in consent.text
        family.put(related("r1", "p2", active=False))
        picker = await allow(client, consent)
        assert "There is no record that you can see." in picker.text
        family.put(related("r1", "p2"))
        told(await allow(client, await ask(client, client_id, scope=CHILD)))

    browsing(database_url, use)
    assert [grant.patient for grant in granted(pool)] == ["p2"]


def test_user_scopes_of_patients(database_url: str, pool: Pool) -> None:
    """A patient's account may give an app what it sees, in words that say so."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        consent = await log_in(client, await ask(client, client_id, scope="openid user/Patient.rs"), "gran")
        assert "everyone whose record you can see" in consent.text
        told(await allow(client, consent))

    browsing(database_url, use)
    assert [(grant.scope, grant.patient) for grant in granted(pool)] == [("openid user/Patient.rs", None)]


def test_home_of_parents(database_url: str, pool: Pool, family: Clinic) -> None:
    """The portal shows a person the own record and those of others, and nobody else's."""

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "ada")
        page = (await client.get("/account/")).text
        assert page.index("Ada Byron") < page.index("Bob Hale")
        assert "Eve Stone" not in page
        client.cookies.clear()
        await sign_in(client, "dad")
        page = (await client.get("/account/")).text
        assert "A record that you see for somebody else" in page
        assert "Bob Hale" in page
        family.delete("RelatedPerson", "r1")
        page = (await client.get("/account/")).text
        assert "Bob Hale" not in page
        assert "There is no record here that you can see." in page

    browsing(database_url, use)


@pytest.mark.spec("SMART App Launch 2.2 scopes-and-launch-context.html#scopes-for-requesting-context-data")
@pytest.mark.usefixtures("visited")
def test_choice_of_a_visit(database_url: str, pool: Pool) -> None:
    """After the patient a visit is chosen, newest first, by page or by day; only one of that patient's."""
    client_id = app(pool)
    day = (TODAY - timedelta(days=25)).date().isoformat()

    async def use(client: httpx.AsyncClient) -> None:
        picker = await log_in(client, await ask(client, client_id, scope=VISIT), "dr")
        visits = await send(client, picker, "authorize/patient", patient="p1")
        assert "Which visit of Ada Byron" in visits.text
        assert visits.text.index("Check-up 0") < visits.text.index("Check-up 1") < visits.text.index("Check-up 2")
        assert "Check-up 3<" not in visits.text
        assert "Check-up 25" not in visits.text
        onward = f"/account/authorize?request={request_of(visits)}"
        assert "Check-up 25" in (await client.get(f"{onward}&day={day}")).text
        assert "Check-up 24" not in (await client.get(f"{onward}&day={day}")).text
        older = visits.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
        assert "Check-up 25" in (await client.get(older)).text
        for foreign in ("e2", "nobody", "a b"):
            assert (await send(client, visits, "authorize/encounter", encounter=foreign)).status_code == 400
        consent = await send(client, visits, "authorize/encounter", encounter="v25")
        assert "Check-up 25" in consent.text
        assert "launch/encounter" in ticked(consent)
        told(await allow(client, consent))
        picker = await ask(client, client_id, scope=VISIT)
        visits = await send(client, picker, "authorize/patient", patient="p1")
        consent = await send(client, visits, "authorize/encounter", encounter="")
        assert "launch/encounter" not in ticked(consent)
        told(await allow(client, consent))
        assert told(await ask(client, client_id, scope=VISIT, prompt="none"))["error"] == "interaction_required"

    browsing(database_url, use)
    assert [(one.patient, one.encounter, "launch/encounter" in one.scope) for one in granted(pool)] == [
        ("p1", "v25", True), ("p1", None, False),
    ]  # fmt: skip


@pytest.mark.usefixtures("visited")
@pytest.mark.spec("SMART App Launch 2.2 scopes-and-launch-context.html#apps-that-launch-standalone")
def test_whoever_has_one_record_chooses_a_visit_of_it(database_url: str, pool: Pool, people: Clinic) -> None:
    """A person who sees one record only is not asked whose it is, and chooses among its visits, no others."""
    people.put(related("r9", "p1"))
    account(pool, "aunt", "patient", "RelatedPerson/r9")
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        visits = await log_in(client, await ask(client, client_id, scope=VISIT), "aunt")
        assert "Which visit of Ada Byron" in visits.text
        again = await send(client, visits, "authorize/encounter", encounter="e2")
        assert again.status_code == 400
        assert "Which visit of Ada Byron" in again.text
        told(await allow(client, await send(client, visits, "authorize/encounter", encounter="v7")))

    browsing(database_url, use)
    assert [(one.patient, one.encounter) for one in granted(pool)] == [("p1", "v7")]


@pytest.mark.usefixtures("visited")
def test_no_way_around_the_choice(database_url: str, pool: Pool) -> None:
    """A decision that is sent before the visit is chosen, and a visit before the patient, lead back to the choice."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        picker = await log_in(client, await ask(client, client_id, scope=VISIT), "dr")
        again = await send(client, picker, "authorize/encounter", encounter="v1")
        assert "Whose record is it about?" in again.text
        visits = await send(client, picker, "authorize/patient", patient="p1")
        again = await send(client, visits, "authorize/decision", decision="allow", scope=VISIT.split())
        assert "Which visit" in again.text
        await send(client, visits, "authorize/encounter", encounter="v1")
        other = await send(client, picker, "authorize/patient", patient="p2")
        assert "Which visit of Bob Hale" in other.text

    browsing(database_url, use)
    assert granted(pool) == []


STUDY = {
    "resourceType": "ImagingStudy",
    "status": "available",
    "subject": {"reference": "Patient/p1"},
    "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}],
}


@pytest.mark.spec("SMART App Launch 2.2 scopes-and-launch-context.html#fhircontext")
def test_what_a_launch_brings(database_url: str, pool: Pool, people: Clinic) -> None:
    """An imaging launch brings its study and intent, with the look and name of this organization."""
    client_id = app(pool, launch_uri="https://app.test/launch")
    people.put({**STUDY, "id": "s1"})

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        page = await client.get("/account/")
        assert '<option value="ImagingStudy/s1">' in page.text
        assert '<option value="Encounter/e1">' in page.text
        form = {"client": client_id, "patient": "p1", "about": "ImagingStudy/s1", "csrf": csrf(page)}
        for foreign in ("ImagingStudy/nothing", "Observation/x", "ImagingStudy/", "Encounter/e2"):
            assert (await client.post("/account/launch", data=form | {"about": foreign})).status_code == 400
        started = await client.post("/account/launch", data=form)
        value = httpx.URL(started.headers["location"]).params["launch"]
        told(await allow(client, await ask(client, client_id, scope="launch patient/Patient.rs", launch=value)))

    browsing(database_url, use)
    (grant,) = granted(pool)
    assert (grant.patient, grant.intent, grant.tenant) == ("p1", "view-images", "clinic-7")
    assert grant.fhir_context == ({"reference": "ImagingStudy/s1", "type": "ImagingStudy"},)
    assert grant.smart_style_url is not None


def test_a_launch_shows_nothing_new(database_url: str, pool: Pool, people: Clinic) -> None:
    """A launch that names a resource which its account does not see is refused when it is used."""
    client_id = app(pool)
    people.put({**STUDY, "id": "s3", "subject": {"reference": "Patient/p3"}})
    launched = Launched("p1", fhir_context=({"reference": "ImagingStudy/s3"},))
    value = transaction(pool, lambda: create_launch(client_id, "dr", launched))

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        answer = told(await ask(client, client_id, scope="launch patient/Patient.rs", launch=value))
        assert answer["error"] == "access_denied"

    browsing(database_url, use)
    assert granted(pool) == []


@pytest.mark.spec("SMART App Launch 2.2 scopes-and-launch-context.html#styling")
def test_style(database_url: str, pool: Pool) -> None:
    """The look is found where the token's answer says, without a token, under an address of its own."""
    client_id = app(pool)

    async def use(client: httpx.AsyncClient) -> None:
        told(await allow(client, await log_in(client, await ask(client, client_id), "eve")))
        (grant,) = granted(pool)
        assert grant.smart_style_url is not None
        client.cookies.clear()
        answer = await client.get(grant.smart_style_url)
        assert answer.headers["cache-control"].endswith("immutable")
        look = answer.json()
        assert {"color_background", "color_text", "dim_font_size", "font_family_body"} <= look.keys()

    browsing(database_url, use)
