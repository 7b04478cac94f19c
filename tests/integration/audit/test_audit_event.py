"""AuditEvents over REST: what they say, who sees them, how they are found."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from healix_fhir.kernel.ids import logical_id
from healix_fhir.model.json import encode
from tests.integration.audit.conftest import Clinic
from tests.support.live_server import LiveServer
from tests.support.resources import observation, patient

FHIR = {"Content-Type": "application/fhir+json"}
BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."


@dataclass(frozen=True)
class World:
    """Two patients of a test's own with one Observation of the first, by their ids, and who made them."""

    one: str
    two: str
    seen: str
    client: str

    def fill(self, text: str) -> str:
        """`text` with these ids in it."""
        return text.format(one=self.one, two=self.two, seen=self.seen, client=self.client)


@pytest.fixture
def world() -> World:
    """Names that no other test uses."""
    own = logical_id()[:8]
    return World(f"one-{own}", f"two-{own}", f"seen-{own}", f"registry-{own}")


@pytest.fixture
def admin(server: LiveServer, world: World) -> Iterator[httpx.Client]:
    """A client that may do everything, after the two patients and the Observation were stored, read and searched."""
    with server.client("system/*.cruds", client=world.client) as client:
        for id_ in (world.one, world.two):
            client.put(f"/fhir/Patient/{id_}", content=encode(patient(id=id_)), headers=FHIR).raise_for_status()
        made = observation(f"Patient/{world.one}", id=world.seen)
        client.put(f"/fhir/Observation/{world.seen}", content=encode(made), headers=FHIR).raise_for_status()
        client.get(f"/fhir/Observation/{world.seen}", headers={"X-Request-Id": "request-7"}).raise_for_status()
        client.get(f"/fhir/Patient?_id={world.one},{world.two}").raise_for_status()
        yield client


def events(client: httpx.Client, query: str = "", **headers: str) -> list[dict[str, Any]]:
    """The AuditEvents that a search finds."""
    found = client.get(f"/fhir/AuditEvent?{query}", headers=headers)
    assert found.status_code == 200, found.text
    return [entry["resource"] for entry in found.json().get("entry", [])]


def entity(event: dict[str, Any], role: str) -> dict[str, Any] | None:
    """The entity in a role."""
    return next((one for one in event.get("entity", []) if one.get("role", {}).get("code") == role), None)


def agent(event: dict[str, Any], code: str) -> dict[str, Any]:
    """The agent of a type."""
    return next(one for one in event["agent"] if one["type"]["coding"][0]["code"] == code)


@pytest.mark.spec("FHIR R4 auditevent.html#AuditEvent")
def test_a_read_is_told_after_the_pattern_of_balp(server: LiveServer, admin: httpx.Client, world: World) -> None:
    """A patient's read has client, server, data, patient and request in the places of BALP's PatientRead."""
    (event,) = events(admin, f"entity=Observation/{world.seen}&subtype=read")
    assert event["meta"]["profile"] == [f"{BALP}PatientRead"]
    assert (event["type"]["code"], event["action"], event["outcome"]) == ("rest", "R", "0")
    assert event["subtype"][0] == {
        "system": "http://hl7.org/fhir/restful-interaction",
        "code": "read",
        "display": "read",
    }
    client, ours = agent(event, "110152"), agent(event, "110153")
    assert client["who"]["identifier"]["value"] == world.client
    assert client["network"] == {"address": "127.0.0.1", "type": "2"}
    assert client["requestor"] is True
    assert ours["who"]["identifier"]["value"] == f"{server.url}/fhir"
    assert event["source"]["observer"] == ours["who"]
    data, person = entity(event, "4"), entity(event, "1")
    assert data is not None
    assert person is not None
    assert data["what"] == {"reference": f"Observation/{world.seen}"}
    assert (person["what"], person["type"]["code"]) == ({"reference": f"Patient/{world.one}"}, "1")
    assert any(one["type"]["code"] == "XrequestId" for one in event["entity"])


def test_other_interactions_are_told_after_their_patterns(admin: httpx.Client, world: World) -> None:
    """Each interaction claims the pattern whose action and roles it has; without a patient that of no patient."""
    target = f"/fhir/Observation/{world.seen}"
    made = observation(f"Patient/{world.one}", id=world.seen, status="amended")
    admin.put(target, content=encode(made), headers=FHIR).raise_for_status()
    admin.delete(target).raise_for_status()
    admin.post("/fhir/Patient", content=encode(patient()), headers=FHIR).raise_for_status()
    admin.get("/fhir/Library").raise_for_status()
    told = [
        (event["action"], event["subtype"][0]["code"], "".join(event["meta"].get("profile", ())).removeprefix(BALP))
        for event in events(admin, f"agent-name={world.client}&_sort=date")
        if agent(event, "110152" if event["action"] == "R" else "110153")["who"]["display"] == world.client
    ]
    assert told == [
        ("C", "ITI-71", ""),
        *[("C", "update", "")] * 3,  # BALP has no pattern for an update that creates
        ("R", "read", "PatientRead"),
        *[("E", "search", "PatientQuery")] * 2,
        ("U", "update", "PatientUpdate"),
        ("D", "delete", "PatientDelete"),
        ("C", "create", "PatientCreate"),
        ("E", "search", "Query"),
    ]


def test_a_search_is_told_of_each_patient_it_showed(admin: httpx.Client, world: World) -> None:
    """BALP's PatientQuery is recorded once for each patient in the result, with the raw query."""
    found = events(admin, f"subtype=search&patient={world.one},{world.two}")
    named = sorted(one["what"]["reference"] for event in found if (one := entity(event, "1")))
    assert named == [f"Patient/{world.one}", f"Patient/{world.two}"]
    asked = entity(found[0], "24")
    assert asked is not None
    assert base64.b64decode(asked["query"]).decode() == f"Patient?_id={world.one}%2C{world.two}"


@pytest.mark.spec("FHIR R4 validation.html#invariants")
def test_every_event_is_valid(admin: httpx.Client, world: World) -> None:
    """What is rendered keeps R4's structure, bindings and invariants."""
    admin.get("/fhir/Patient/none")
    admin.get(f"/fhir/Observation/{world.seen}", headers={"Authorization": "Bearer wrong"})
    admin.get("/dicomweb/studies")
    found = events(admin)
    assert len(found) > 8
    for event in found:
        event["meta"].pop("profile", None)  # those of BALP are not installed here
        answer = admin.post("/fhir/AuditEvent/$validate", content=encode(event), headers=FHIR)
        issues = [issue for issue in answer.json()["issue"] if issue["severity"] in ("error", "fatal")]
        assert issues == [], (event, issues)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("patient={one}", 4),
        ("patient=Patient/{two}", 2),
        ("patient={one},{two}", 6),
        ("entity=Observation/{seen}", 2),
        ("entity=Patient/{two}", 2),
        ("action=R&patient={one}", 1),
        ("action=http://hl7.org/fhir/audit-event-action|R&patient={one}", 1),
        ("action=urn:other|R", 0),
        ("outcome=4&patient={one}", 0),
        ("outcome=0&patient={one}", 4),
        ("agent-name={client}&subtype=read", 1),
        ("agent:identifier=urn:healix:client|{client}&subtype=read", 1),
        ("agent:identifier=urn:healix:account|{client}", 0),
        ("address=127.&subtype=read&patient={one}", 1),
        ("type=http://terminology.hl7.org/CodeSystem/audit-event-type|rest&patient={one}", 4),
        ("type=110114&patient={one}", 0),
        ("subtype=http://hl7.org/fhir/restful-interaction|search&patient={one}", 1),
        ("subtype=search-type&patient={one}", 1),
        ("date=ge2020&patient={one}", 4),
        ("date=lt2020", 0),
        ("date=gt2020&date=lt2021", 0),
        ("patient={one}&_count=0", 0),
    ],
)
@pytest.mark.spec("FHIR R4 auditevent.html#search")
def test_events_are_found(admin: httpx.Client, world: World, query: str, count: int) -> None:
    """Every search parameter that the statement names finds what it should."""
    assert len(events(admin, world.fill(query))) == count


def test_events_are_found_by_who_did_them(server: LiveServer, admin: httpx.Client, module_database_url: str) -> None:
    """The person behind an account is found by reference and by name, and named in the event."""
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO account (username, role, fhir_user, password_hash)
               VALUES ('anna', 'practitioner', 'Practitioner/d1', 'x')"""
        )
        connection.execute(
            "INSERT INTO audit_event (action, subtype, outcome, account) VALUES ('E', 'login', 0, 'anna')"
        )
    for query in ("agent=Practitioner/d1", f"agent={server.url}/fhir/Practitioner/d1", "altid=anna", "agent-name=ann"):
        (event,) = events(admin, query)
        person = agent(event, "IRCP")
        assert person["who"]["reference"] == "Practitioner/d1"
        assert (event["type"]["code"], event["subtype"][0]["code"]) == ("110114", "110122")


@pytest.mark.spec("FHIR R4 http.html#paging")
@pytest.mark.parametrize("sort", ["", "&_sort=date", "&_sort=-date"])
def test_pages_hold_every_event_once_and_in_order(admin: httpx.Client, world: World, sort: str) -> None:
    """The pages of a search hold each event once, by time, forward and back."""
    whole = [event["id"] for event in events(admin, f"patient={world.one}{sort}")]
    times = [event["recorded"] for event in events(admin, f"patient={world.one}{sort}")]
    assert times == sorted(times, reverse=sort != "&_sort=date")
    seen, url, previous = [], f"/fhir/AuditEvent?patient={world.one}&_count=2{sort}", None
    while url:
        page = admin.get(url).json()
        links = {link["relation"]: link["url"] for link in page["link"]}
        seen += [entry["resource"]["id"] for entry in page["entry"]]
        url, previous = links.get("next", ""), links.get("previous", previous)
    assert seen == whole
    assert previous is not None
    back = admin.get(previous).json()
    assert [entry["resource"]["id"] for entry in back["entry"]] == whole[:2]
    assert admin.get(f"/fhir/AuditEvent?patient={world.one}&_total=accurate&_count=1").json()["total"] == 4


def test_a_link_is_for_its_search_only(admin: httpx.Client, world: World) -> None:
    """A cursor of another search is refused."""
    links = admin.get(f"/fhir/AuditEvent?patient={world.one}&_count=2").json()["link"]
    cursor = urlsplit(next(link["url"] for link in links if link["relation"] == "next")).query.rpartition("_cursor=")[2]
    assert admin.get(f"/fhir/AuditEvent?patient={world.two}&_count=2&_cursor={cursor}").status_code == 400


def test_an_event_is_read_by_its_address(admin: httpx.Client, world: World) -> None:
    """The fullUrl of a result reads what was found, and the reading is an event itself."""
    (entry,) = admin.get(f"/fhir/AuditEvent?entity=Observation/{world.seen}&subtype=read").json()["entry"]
    read = admin.get(entry["fullUrl"])
    assert (read.status_code, read.json()) == (200, entry["resource"])
    assert events(admin, f"entity=AuditEvent/{entry['resource']['id']}")
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": f"AuditEvent/{entry['resource']['id']}"}}],
    }
    for kind in ("batch", "transaction"):
        answer = admin.post("/fhir", content=encode(bundle | {"type": kind}), headers=FHIR).json()
        assert answer["entry"][0]["resource"] == entry["resource"]


def test_a_patient_sees_who_looked_at_the_own_record_only(
    server: LiveServer, admin: httpx.Client, world: World
) -> None:
    """A patient's token finds the events of that patient only, without what others searched for."""
    everything = events(admin, f"patient={world.two}")
    foreign = everything[0]["id"]
    with server.client("patient/AuditEvent.rs", patient=world.one) as mine:
        own = events(mine)
        assert {one["what"]["reference"] for event in own if (one := entity(event, "1"))} == {f"Patient/{world.one}"}
        assert len(own) >= 4
        assert all(entity(event, "1") for event in own)
        assert world.two not in str(own)
        searched = next(event for event in own if entity(event, "24"))
        assert "query" not in (entity(searched, "24") or {})
        assert mine.get(f"/fhir/AuditEvent/{own[0]['id']}").status_code == 200
        unseen, nothing = mine.get(f"/fhir/AuditEvent/{foreign}"), mine.get(f"/fhir/AuditEvent/{'0' * 48}")
        assert (unseen.status_code, nothing.status_code) == (404, 404)
        assert unseen.text.replace(foreign, "") == nothing.text.replace("0" * 48, "")
        for query in (
            f"patient={world.two}",
            f"entity=Patient/{world.two}",
            f"_id={foreign}",
            "patient=none&_total=accurate",
        ):
            page = mine.get(f"/fhir/AuditEvent?{query}").json()
            assert (page["total"], page.get("entry", [])) == (0, [])
        inside = mine.get(f"/fhir/Patient/{world.one}/AuditEvent").json()
        assert len(inside["entry"]) >= len(own)
        assert mine.get(f"/fhir/Patient/{world.two}/AuditEvent").json()["total"] == 0


def test_events_need_a_scope(server: LiveServer, admin: httpx.Client) -> None:
    """Without a token nothing, without a scope for AuditEvent nothing; a clinician is refused."""
    assert httpx.get(f"{server.url}/fhir/AuditEvent").status_code == 401
    with server.client("system/Patient.rs") as client:
        assert client.get("/fhir/AuditEvent").status_code == 403
        assert client.get(f"/fhir/AuditEvent/{'0' * 48}").status_code == 403
    with server.client("system/AuditEvent.r") as client:
        assert client.get("/fhir/AuditEvent").status_code == 403


@pytest.mark.parametrize("scope", ["user/AuditEvent.rs", "patient/AuditEvent.rs", "user/*.cruds patient/*.cruds"])
def test_clinicians_do_not_see_the_trail_of_their_patients(
    clinic: Clinic, module_database_url: str, scope: str
) -> None:
    """It tells of what is hidden from them, and of their colleagues; the patient sees it."""
    own = clinic.one
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO account (username, role, fhir_user, password_hash) VALUES (%s, 'practitioner', %s, '')",
            (own, f"Practitioner/{own}"),
        )
        connection.execute(
            """INSERT INTO care_relationship (practitioner, pat, source)
               SELECT %s, pat, 'CareTeam/x' FROM patient_key WHERE id = %s""",
            (own, own),
        )
    with clinic.server.client(scope, username=own, patient=own) as doctor:
        answer = doctor.get(f"/fhir/AuditEvent?patient={own}")
        assert answer.status_code == 403
        assert "AuditEvents are for administrators" in answer.text
        found = clinic.all.get(f"/fhir/AuditEvent?patient={own}").json()["entry"][0]["resource"]["id"]
        assert doctor.get(f"/fhir/AuditEvent/{found}").status_code == 403
    with clinic.server.client("patient/AuditEvent.rs", patient=own) as person:
        assert person.get(f"/fhir/AuditEvent/{found}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ""), ("PUT", "/x"), ("PATCH", "/x"), ("DELETE", "/x"), ("PUT", "?patient=p1"), ("DELETE", "?patient=p1")],
)
@pytest.mark.spec("FHIR R4 auditevent.html#bnr")
def test_nobody_writes_events(admin: httpx.Client, method: str, path: str) -> None:
    """Writes are refused with 405, which says what is possible."""
    body = encode({"resourceType": "AuditEvent"})
    kind = "application/json-patch+json" if method == "PATCH" else FHIR["Content-Type"]
    answer = admin.request(method, f"/fhir/AuditEvent{path}", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    "url",
    [
        "/fhir/AuditEvent/_history",
        "/fhir/AuditEvent/x/_history",
        "/fhir/AuditEvent/x/_history/1",
        "/fhir/AuditEvent?_sort=patient",
        "/fhir/AuditEvent?policy=x",
        "/fhir/AuditEvent?patient.name=x",
        "/fhir/AuditEvent?_include=AuditEvent:patient",
        "/fhir/AuditEvent?patient:missing=true",
        "/fhir/Patient?_has:AuditEvent:patient:action=R",
        "/fhir/Patient?_revinclude=AuditEvent:patient",
        "/fhir?_type=Patient,AuditEvent",
    ],
)
def test_what_the_trail_cannot_is_refused_by_name(admin: httpx.Client, url: str) -> None:
    """What R4 has and the trail has not is refused, never answered with a part."""
    answer = admin.get(url)
    assert answer.status_code == 400, answer.text
    issue = answer.json()["issue"][0]
    assert (issue["code"], "AuditEvent" in issue["diagnostics"]) == ("not-supported", True)


@pytest.mark.parametrize(
    "query", ["date=soon", "date=xx2020", "patient=Group/1", "entity=x", "_sort=", "agent=Device/1"]
)
def test_bad_values_are_refused(admin: httpx.Client, query: str) -> None:
    """A value that cannot be read is refused with the parameter's name."""
    answer = admin.get(f"/fhir/AuditEvent?{query}", headers={"Prefer": "handling=strict"})
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.text


def test_a_bundle_writes_no_events(admin: httpx.Client) -> None:
    """An entry of a batch or transaction that writes an event is refused as a request of its own is."""
    entry = {"resource": {"resourceType": "AuditEvent"}, "request": {"method": "POST", "url": "AuditEvent"}}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    answer = admin.post("/fhir", content=encode(bundle), headers=FHIR).json()
    assert answer["entry"][0]["response"]["status"].startswith(("400", "405"))
