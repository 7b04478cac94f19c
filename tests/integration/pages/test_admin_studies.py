"""The study store in the hands of an administrator, through the pages."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from dicomweb.study.hold import holds
from dicomweb.study.receive import Receiver
from dicomweb.study.relabel.asked import relabellings
from dicomweb.study.relabel.perform import perform
from healix_fhir.imaging.bridge import studies
from healix_fhir.kernel.consume import drain
from healix_fhir.pages.admin.gate import FRESH
from tests.integration.pages.test_admin_clients import administering, send
from tests.integration.pages.test_admin_fresh import older
from tests.support.dicom import ct, uid
from tests.support.gate import Pool
from tests.support.portal import account
from tests.support.search import Clinic
from tests.support.study import SYSTEM, Store, open_store

BASE = "http://h/fhir"
PAGE = f"/admin/studies/{uid(1)}"


@pytest.fixture
def store(pool: Pool, tmp_path: Path) -> Store:
    """Two series of a study whose patient is not known, in the store of a clinic with an administrator."""
    account(pool, "root", "admin")
    clinic = Clinic(pool)
    for name in ("one", "two"):
        clinic.put(
            {
                "resourceType": "Patient",
                "id": name,
                "identifier": [{"system": "urn:oid:1.2.3", "value": "P1"}],
                "name": [{"family": "Roe", "given": ["Richard"]}],
                "birthDate": "1980-01-01",
                "gender": "male",
            }
        )
    found = open_store(pool, tmp_path / "images")
    found.add(ct(1, 1, 1, size=8, PatientName="Doe^<b>"), ct(1, 2, 1, size=8, PatientName="Doe^<b>"))
    settle(found)
    return found


def settle(store: Store) -> None:
    """Bring FHIR up to date."""
    with store.pool.connection() as connection:
        connection.autocommit = True
        while drain(connection, {"study": (studies((BASE,)),)}):
            pass


def test_the_worklist_names_what_is_unmatched_and_who_it_may_be(database_url: str, store: Store) -> None:
    """Each study with its labels, escaped, and the Patients who carry its PatientID; found by its keys; audited."""

    async def use(client: httpx.AsyncClient) -> None:
        listed = (await client.get("/admin/studies")).text
        assert listed.count("Give to Richard Roe, 1980-01-01, male") == 2
        assert 'value="Patient/two"' in listed
        assert "Doe, &lt;b&gt;" in listed
        assert "No check has run yet" in listed
        for key in ("P1", "A1", uid(1)):
            found = await client.get("/admin/studies", params={"q": key})
            assert found.headers["location"] == PAGE
        assert "No study is like this" in (await client.get("/admin/studies", params={"q": "nothing'; --"})).text
        shown = (await client.get(PAGE)).text
        assert "not known whose it is" in shown
        assert shown.count('name="series" value=') == 2
        assert (await client.get("/admin/studies/1.2.3")).status_code == 404
        assert (await client.get("/admin/studies/x")).status_code == 400

    administering(database_url, use)
    assert store.sql("SELECT count(*) > 2 FROM audit_event WHERE account = 'root' AND subtype = 'query-study'") == [
        (True,)
    ]


def test_a_study_is_given_to_a_patient(database_url: str, store: Store) -> None:
    """It is theirs then; a Patient that is not there is refused by name, on the page."""

    async def use(client: httpx.AsyncClient) -> None:
        refused = await send(client, f"{PAGE}/assign", patient="Patient/none")
        assert (refused.status_code, "there is no Patient/none" in refused.text) == (400, True)
        assert (await send(client, f"{PAGE}/assign", patient="Patient/two")).headers["location"] == PAGE
        settle(store)
        assert "(given by hand)" in (await client.get(PAGE)).text
        assert "Every study has its patient." in (await client.get("/admin/studies")).text

    administering(database_url, use)


def test_labels_are_written_moved_and_taken_back(database_url: str, store: Store) -> None:
    """Those of a Patient's record; the job makes the change, and the page says what became of it."""
    receiver = Receiver(store.archive)

    async def use(client: httpx.AsyncClient) -> None:
        assert "say why" in (await send(client, f"{PAGE}/relabel", PatientID="Q", reason="")).text
        assert "is no DA" in (await send(client, f"{PAGE}/relabel", StudyDate="today", reason="typo")).text
        await send(client, f"{PAGE}/relabel", patient="Patient/two", StudyDescription="Knee", reason="wrong entry")
        (asked,) = store.run(relabellings(SYSTEM))
        assert (asked.account, asked.state) == ("root", "asked")
        assert asked.labels == {
            "PatientName": "Roe^Richard",
            "PatientID": "P1",
            "IssuerOfPatientID": "1.2.3",
            "PatientBirthDate": "19800101",
            "PatientSex": "M",
            "StudyDescription": "Knee",
        }
        assert "under way" in (await client.get(PAGE)).text
        assert perform(store.pool, receiver, asked.id).state == "done"
        shown = (await client.get(PAGE)).text
        assert "Roe^Richard" in shown
        assert "wrong entry" in shown
        assert (await send(client, f"{PAGE}/undo", number="99")).status_code == 400
        assert (await send(client, f"{PAGE}/undo", number=str(asked.id))).headers["location"] == PAGE
        await send(client, f"{PAGE}/move", series=uid(1, 2), to="", reason="another visit")
        moved = perform(store.pool, receiver, store.run(relabellings(SYSTEM))[0].id)
        assert moved.state == "done"
        assert "Series moved" in (await client.get(f"/admin/studies/{moved.target}")).text
        assert "Series moved" in (await client.get("/admin/studies/kept")).text

    administering(database_url, use)


def test_holds_deletions_and_rejections(database_url: str, store: Store) -> None:
    """A study on hold is not deleted; one that was is brought back, also what was rejected."""

    async def use(client: httpx.AsyncClient) -> None:
        assert (await send(client, f"{PAGE}/hold", reason="lawsuit")).headers["location"] == PAGE
        assert [one.account for one in store.run(holds(SYSTEM))] == ["root"]
        assert "under legal hold" in (await send(client, f"{PAGE}/remove", sure="yes")).text
        assert "lawsuit" in (await client.get("/admin/studies/kept")).text
        await send(client, f"{PAGE}/release")
        assert "Tick that you are sure" in (await send(client, f"{PAGE}/remove")).text
        assert "no reason for a rejection" in (await send(client, f"{PAGE}/remove", sure="yes", code="1")).text
        await send(client, f"{PAGE}/remove", sure="yes", series=uid(1, 2), code="113001")
        assert store.sql("SELECT instance_uid FROM rejected_instance") == [(uid(1, 2, 1),)]
        shown = (await client.get("/admin/studies/kept")).text
        assert uid(1) in shown
        assert "rejected for quality reasons" in shown
        await send(client, f"{PAGE}/restore")
        assert store.sql("SELECT count(*) FROM rejected_instance") == [(0,)]
        assert store.sql("SELECT instance_count FROM study") == [(2,)]

    administering(database_url, use)


def test_outlook_on_retention(database_url: str, store: Store) -> None:
    """Before the night comes a rule shows what goes by it, and what rests first."""
    study, (held,) = uid(1), store.sql("SELECT count(*) FROM study")

    async def use(client: httpx.AsyncClient) -> None:
        path = "/admin/studies/retention"
        await send(client, path, name="all", days="1")
        shown = (await client.get(path)).text
        assert "What goes tonight" in shown
        assert study not in shown
        assert "came or changed within 30 days" in (await client.get(path, params={"outlook": "1"})).text
        store.sql("UPDATE study SET updated = updated - interval '40 days'")
        shown = (await client.get(path, params={"outlook": "1"})).text
        assert f"/admin/studies/{study}" in shown
        assert "by rule all" in shown
        assert store.sql("SELECT count(*) FROM study") == [held]

    administering(database_url, use)


def test_retention_rules(database_url: str, store: Store) -> None:
    """Added, shown, removed; what is no rule is said on the page."""
    del store

    async def use(client: httpx.AsyncClient) -> None:
        path = "/admin/studies/retention"
        assert "whole number" in (await send(client, path, name="ct", days="ten")).text
        await send(client, path, name="ct", days="3650", modality="ct, mr", until_age="28")
        shown = (await client.get(path)).text
        assert "3650 days" in shown
        assert "CT, MR" in shown
        assert "No study goes tonight" in (await client.get(path, params={"outlook": "1"})).text
        await send(client, f"{path}/remove", name="ct")
        assert "kept for ever" in (await client.get(path)).text

    administering(database_url, use)


@pytest.mark.spec("OWASP ASVS 5.0 7.5.3")
@pytest.mark.parametrize("form", ["assign", "release", "restore", "remove", "relabel", "move", "undo"])
def test_whose_images_are_takes_a_fresh_login(database_url: str, pool: Pool, store: Store, form: str) -> None:
    """A login of more than 15 minutes ago leads to another one, and nothing is done."""

    async def use(client: httpx.AsyncClient) -> None:
        older(pool, FRESH + 60)
        answer = await send(client, f"{PAGE}/{form}", patient="Patient/two", reason="r", sure="yes", number="1")
        assert answer.headers["location"] == "/account/login?after=admin"

    before = store.sql("SELECT to_jsonb(s) FROM study s")
    administering(database_url, use)
    assert store.sql("SELECT to_jsonb(s) FROM study s") == before
    assert store.run(relabellings(SYSTEM)) == []
