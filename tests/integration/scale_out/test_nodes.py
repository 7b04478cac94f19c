"""Two nodes behind a proxy over a primary, its hot standby and a bucket: all is as with one node and one database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from healix_fhir.bulk import snapshot as snapshots
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Finished, Statement, Work, open_async_pool, open_pool, transaction
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.standby import open_standby
from smart_auth.store import create_token, create_user
from tests.support.balancing import balancing
from tests.support.bulk import begun, collected
from tests.support.code_systems import code_system
from tests.support.dicom import ct, uid
from tests.support.doctor import doctor
from tests.support.parameters import search_parameter
from tests.support.plain import NO_TLS
from tests.support.resources import composition, observation, patient
from tests.support.s3 import Bucket, bucket
from tests.support.serve import Served, free_ports, serving, wait_until
from tests.support.standby import Pair, pair
from tests.support.stow import HEADERS, body

ROUNDS = 40
FIND, GET = StudyRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelGet
RELATIONAL = SOPClassExtendedNegotiation()
RELATIONAL.sop_class_uid, RELATIONAL.service_class_application_information = FIND, b"\1"
SERVED, BEHIND, LOST = (f'healix_standby_searches_total{{result="{one}"}}' for one in ("served", "behind", "lost"))


@dataclass(frozen=True)
class House:
    """What is served: two nodes, the proxy's URL, databases, bucket."""

    nodes: tuple[Served, Served]
    url: str
    pair: Pair
    bucket: Bucket

    def token(self, scope: str, **options: Any) -> str:
        """A new token."""
        with open_pool(self.pair.primary, size=1) as pool:
            return transaction(pool, lambda: create_token(scope, **options))

    def clients(self, token: str) -> tuple[httpx.Client, httpx.Client]:
        """A client of each node."""
        first, second = self.nodes
        return first.client(token), second.client(token)

    def counted(self, series: str) -> float:
        """A counter of both nodes together."""
        return sum(_counter(node, series) for node in self.nodes)


def _counter(node: Served, series: str) -> float:
    with node.client() as client:
        lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(series))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Everything, started once."""
    directory: Path = tmp_path_factory.mktemp("house")
    with ExitStack() as stack:
        store = stack.enter_context(bucket())
        databases = stack.enter_context(pair(directory / "database"))
        (port,) = free_ports(1)
        settings = {
            "database_url": databases.primary,
            "database_replica_url": databases.standby,
            "base_url": f"http://127.0.0.1:{port}",
            "bulk_url": f"s3://{store.name}/exports",
            "dimse_unknown_callers": "all",
            **store.settings,
        }
        one, two = (
            stack.enter_context(serving(directory / name, "--workers", "1", **settings)) for name in ("one", "two")
        )
        url = stack.enter_context(balancing(port, (one.port, two.port)))
        yield House((one, two), url, databases, store)


@pytest.fixture(scope="module")
def clients(house: House) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """A client of each node, with the same token."""
    one, two = house.clients(house.token("system/*.cruds"))
    with one, two:
        yield one, two


def _found(client: httpx.Client, search: str) -> int:
    answer = client.get(f"/fhir/{search}")
    assert answer.status_code == 200, answer.text
    return sum(entry["search"]["mode"] == "match" for entry in answer.json().get("entry", []))


def _created(client: httpx.Client, resource: dict[str, Any]) -> str:
    answer = client.post(f"/fhir/{resource['resourceType']}", json=resource)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_a_write_is_found_on_the_other_node_at_once(house: House, clients: tuple[httpx.Client, httpx.Client]) -> None:
    """However often, to and fro, while searches are made on the standby and their audit rows on the primary."""
    before, rows = house.counted(SERVED), house.pair.searches()
    for number in range(ROUNDS):
        writer, reader = clients if number % 2 else clients[::-1]
        id_ = _created(writer, patient(identifier=[{"system": "urn:at-once", "value": str(number)}]))
        assert _found(reader, f"Patient?identifier=urn:at-once|{number}") == 1
        assert writer.delete(f"/fhir/Patient/{id_}").status_code == 204
        assert _found(reader, f"Patient?identifier=urn:at-once|{number}") == 0
        assert len(reader.get(f"/fhir/Patient/{id_}/_history").json()["entry"]) == 2
    assert house.counted(SERVED) - before > ROUNDS  # of three times as many; the others the primary made
    wait_until(lambda: house.pair.searches() > rows, "the standby to count what it read")
    shown = "SELECT count(*) FROM audit_event WHERE subtype = 'search-type' AND query LIKE 'identifier=urn%%at-once%%'"
    assert house.pair.sql(shown) == 2 * ROUNDS


def test_an_image_is_found_on_the_other_node_at_once(house: House, clients: tuple[httpx.Client, httpx.Client]) -> None:
    """By QIDO-RS on the standby, with audit rows on the primary; so are its metadata, and its bytes are there."""
    before = house.counted(SERVED)
    for number in range(201, 211):
        writer, reader = clients if number % 2 else clients[::-1]
        answer = writer.post("/dicomweb/studies", content=body([ct(number, 1, 1, size=8)]), headers=HEADERS)
        assert answer.status_code == 200, answer.text
        named = {"StudyInstanceUID": uid(number)}
        (study,) = reader.get("/dicomweb/studies", params=named).json()
        assert study["0020000D"]["Value"] == [uid(number)]
        assert reader.get("/dicomweb/studies/count", params=named).json() == {"count": 1}
        assert reader.get("/dicomweb/studies", params={"StudyInstanceUID": uid(number, 9)}).json() == []
        for _ in range(2):  # what is remembered is asked for otherwise
            (instance,) = reader.get(f"/dicomweb/studies/{uid(number)}/metadata").json()
            assert instance["00080018"]["Value"] == [uid(number, 1, 1)]
        assert reader.get(f"/dicomweb/studies/{uid(number)}").status_code == 200
    assert house.counted(SERVED) > before
    shown = "SELECT count(*) FROM audit_event WHERE subtype LIKE 'query%%' AND query LIKE %s"
    assert house.pair.sql(shown, f"%{uid(205)}%") >= 2
    shown = "SELECT count(*) FROM audit_event WHERE subtype = 'retrieve-metadata' AND entity = %s"
    assert house.pair.sql(shown, uid(205)) == 2


GRAPH = "{{id,ObservationList(_reference:patient){{subject{{resource{{...on Patient{{id}}}}}}}}}}"
READING = {
    "Patient/{id}/$everything": "",
    "Observation/$lastn?patient=Patient/{id}&code=http://loinc.org|8867-4": "",
    "Observation/$stats?subject=Patient/{id}&system=http://loinc.org&code=8867-4&statistic=count": "",
    "Observation/$trends?patient=Patient/{id}": "",
    "Patient/{id}/$summary": "",
    "Patient/$meta": "",
    f"Patient/{{id}}/$graphql?query={GRAPH}": "",
}


@pytest.mark.parametrize("operation", READING)
def test_operations_that_only_look_up_do_so_on_the_standby(
    house: House, clients: tuple[httpx.Client, httpx.Client], operation: str
) -> None:
    """They find what was written on the other node just now, and are in the audit trail of the primary."""
    writer, reader = clients
    name = operation[operation.index("$") :].partition("?")[0]
    shown = "SELECT count(*) FROM audit_event WHERE subtype = %s"
    for number in range(20):  # a standby that is behind just then leaves one to the primary
        before, rows = house.counted(SERVED), house.pair.sql(shown, name)
        id_ = _created(writer, patient())
        _created(writer, observation(f"Patient/{id_}", valueQuantity={"value": number + 60}))
        answer = reader.get("/fhir/" + operation.format(id=id_))
        assert answer.status_code == 200, answer.text
        if "{id}" in operation and name not in ("$trends", "$stats"):
            assert id_ in answer.text
        assert house.pair.sql(shown, name) == rows + 1
        if house.counted(SERVED) > before:
            break
    else:
        pytest.fail("none was read on the standby")


def _batch(client: httpx.Client, id_: str) -> str:
    """A batch of two GETs: the answers."""
    wanted = (f"Observation?subject=Patient/{id_}", f"Patient/{id_}/_history")
    entries = [{"request": {"method": "GET", "url": url}} for url in wanted]
    answer = client.post("/fhir", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert [one["response"]["status"] for one in answer.json()["entry"]] == ["200 OK"] * 2
    return answer.text


def _document(client: httpx.Client, id_: str) -> str:
    """The document of the Composition about a patient."""
    answer = client.get(f"/fhir/Composition/{id_}/$document")
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize(("ask", "subtypes"), [(_batch, ("search-type", "history-instance")), (_document, ("read",))])
def test_what_is_looked_up_for_many_things_at_once_is_read_on_the_standby(
    house: House,
    clients: tuple[httpx.Client, httpx.Client],
    ask: Callable[[httpx.Client, str], str],
    subtypes: tuple[str, ...],
) -> None:
    """The GETs of a batch and the parts of a document: as of the other node just now, each once in the audit trail."""
    writer, reader = clients
    shown = "SELECT count(*) FROM audit_event WHERE subtype = ANY(%s) AND patient = %s"
    for _ in range(20):  # as above
        id_ = _created(writer, patient())
        seen = _created(writer, observation(f"Patient/{id_}"))
        about = composition(f"Observation/{seen}", subject={"reference": f"Patient/{id_}"}, author=[{"display": "D"}])
        assert writer.put(f"/fhir/Composition/{id_}", json={**about, "id": id_}).status_code == 201
        before = house.counted(SERVED)
        assert f"Observation/{seen}" in ask(reader, id_)
        assert house.pair.sql(shown, list(subtypes), id_) == (3 if ask is _document else 2)
        if house.counted(SERVED) > before:
            break
    else:
        pytest.fail("none was read on the standby")


def test_what_is_made_again_on_the_primary_has_written_nothing(house: House) -> None:
    """Of use cases that look up and write in turn, one that ends writes all of it, one that does not end nothing."""
    noted, begun = AuditRow(Origin(client="together"), "R", "read"), []

    def work(last: str, *, refused: bool = False) -> Work[str]:
        begun.append(last)
        yield record([noted])
        yield Statement(last)
        yield record([noted])
        if refused:
            raise invalid("no")
        return "done"

    async def run(make: Callable[[], Work[str]]) -> Finished[str] | None:
        primary = await open_async_pool(house.pair.primary, size=1)
        standby = await open_standby(house.pair.standby, primary, size=1)
        try:
            return await standby.read(make, together=True)
        except HealixError:
            return None
        finally:
            await standby.close()
            await primary.close()

    def written(make: Callable[[], Work[str]]) -> int:
        """The rows in the trail when it has been run on the standby, which may be behind at first."""
        begun.clear()
        wait_until(lambda: asyncio.run(run(make)) or begun, "a standby that has all")
        return int(house.pair.sql("SELECT count(*) FROM audit_event WHERE client = 'together'"))

    assert written(lambda: work("CREATE TEMPORARY TABLE t ()")) == 0  # no standby makes one
    assert written(lambda: work("SELECT 1", refused=True)) == 0
    assert written(lambda: work("SELECT 1")) == 2


def test_the_doctor_looks_at_each_standby(
    house: House, clients: tuple[httpx.Client, httpx.Client], tmp_path: Path
) -> None:
    """That it follows and how far; that it stands still, is no standby of the primary, or does not answer."""
    url = house.pair.standby
    house.pair.caught_up()
    found = doctor(house.pair.primary, tmp_path, database_replica_url=url)[1]
    about = ("standby", "clock of standby", "schema of standby")
    assert [found[one][0] for one in about] == ["ok"] * 3
    with house.pair.paused():
        _created(clients[0], patient())
        state, said = doctor(house.pair.primary, tmp_path, database_replica_url=url)[1]["standby"]
    assert (state, "behind" in said) == ("warning", True)
    strangers = {
        house.pair.primary: "a primary of its own",
        url.replace("/postgres?", "/template1?"): "another system",
        "postgresql://user:password@127.0.0.1:1/none": "does not answer",
        "postgresql//user:password@127.0.0.1/none": "does not answer",
    }
    for stranger, why in strangers.items():
        code, found = doctor(house.pair.primary, tmp_path, database_replica_url=stranger)
        assert (code, found["standby"][0], why in found["standby"][1]) == (1, "problem", True), found["standby"]
        assert "password" not in str(found)
    two = f"postgresql://postgres@/postgres?host={house.pair.directory},127.0.0.1&port=5433,1"
    found = doctor(house.pair.primary, tmp_path, database_replica_url=two)[1]
    assert (found["standby 1"][0], found["standby 2"][0]) == ("ok", "problem")


def _c_find(node: Served, study: str) -> list[str]:
    """The instances of a study that a peer finds."""
    keys = Dataset()
    keys.QueryRetrieveLevel = "IMAGE"
    keys.StudyInstanceUID, keys.SeriesInstanceUID, keys.SOPInstanceUID = study, "", ""
    entity = AE("SCALE")
    entity.add_requested_context(FIND)
    association = entity.associate("127.0.0.1", node.dimse_port, ae_title="HEALIX", ext_neg=[RELATIONAL])
    assert association.is_established
    answers = list(association.send_c_find(keys, FIND))
    association.release()
    assert answers[-1][0].Status == 0, answers
    return [one.SOPInstanceUID for _, one in answers if one is not None]


def _c_get(node: Served, study: str) -> list[str]:
    """The instances of a study that a peer is sent."""
    keys, got = Dataset(), []
    keys.QueryRetrieveLevel, keys.StudyInstanceUID = "STUDY", study

    def stored(event: Event) -> int:
        got.append(event.dataset.SOPInstanceUID)
        return 0

    entity = AE("SCALE")
    entity.add_requested_context(GET)
    entity.add_requested_context(CTImageStorage)
    association = entity.associate(
        "127.0.0.1",
        node.dimse_port,
        ae_title="HEALIX",
        ext_neg=[build_role(CTImageStorage, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, stored)],
    )
    assert association.is_established
    answers = [status.Status for status, _ in association.send_c_get(keys, GET)]
    association.release()
    assert answers[-1] == 0, answers
    return got


def test_a_peer_finds_an_image_on_the_other_node_at_once(
    house: House, clients: tuple[httpx.Client, httpx.Client]
) -> None:
    """By C-FIND and C-GET on the standby while that follows, on the primary while it stands still; each is in the audit
    trail, and counted.
    """
    shown = "SELECT count(*) FROM audit_event WHERE subtype LIKE 'query%%' AND client = 'SCALE'"
    before, rows = house.pair.searches(), house.pair.sql(shown)

    def stored_and_found(number: int) -> None:
        answer = clients[0].post("/dicomweb/studies", content=body([ct(number, 1, 1, size=8)]), headers=HEADERS)
        assert answer.status_code == 200, answer.text
        assert _c_find(house.nodes[1], uid(number)) == [uid(number, 1, 1)]

    for number in range(221, 229):
        stored_and_found(number)
    wait_until(  # it is behind while others write, and counts late
        lambda: _c_find(house.nodes[1], uid(221)) and house.pair.searches() > before, "a query on the standby"
    )
    sent = "SELECT count(*) FROM audit_event WHERE subtype = 'retrieve' AND client = 'SCALE'"
    served = house.counted(SERVED)
    for number in range(1, 21):
        assert _c_get(house.nodes[1], uid(221)) == [uid(221, 1, 1)]
        assert house.pair.sql(sent) == number
        if house.counted(SERVED) > served:
            break
    else:
        pytest.fail("none was selected on the standby")
    with house.pair.paused():
        stored_and_found(229)
        assert _c_get(house.nodes[1], uid(229)) == [uid(229, 1, 1)]
    house.pair.caught_up()
    assert house.pair.sql(shown) >= rows + 9


def test_an_export_reads_the_standby(house: House, clients: tuple[httpx.Client, httpx.Client]) -> None:
    """It has what was written just before on the other node; while the standby stands still it reads the primary."""
    before = house.pair.searches()
    id_ = _created(clients[0], patient())
    job = begun(clients[1], "/fhir/Patient/$export?_type=Patient")
    wait_until(lambda: clients[1].get(job).status_code == 200, "the export")
    assert id_ in collected(clients[1], job).ids()["Patient"]
    wait_until(lambda: house.pair.searches() > before, "the standby to count what it read")


def test_the_state_of_an_export_is_never_older_than_its_moment(
    house: House, clients: tuple[httpx.Client, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A standby that has all, or the primary: in place of one that stands still, a stranger, and one that is away."""
    monkeypatch.setattr(snapshots, "PATIENCE", 0.1)

    def read_on_standby(replica: str) -> bool:
        id_ = _created(clients[0], patient())
        found = "SELECT pg_is_in_recovery(), EXISTS (SELECT FROM resource WHERE id = %s)"
        url = house.pair.primary
        with open_pool(url, size=1) as pool, snapshots.snapshot(url, pool, replica) as (reading, _):
            is_standby, is_there = reading.execute(found, (id_,)).fetchall()[0]
        assert is_there
        return bool(is_standby)

    wait_until(lambda: read_on_standby(house.pair.standby), "a standby that has all")
    with house.pair.paused():
        assert not read_on_standby(house.pair.standby)
    assert not read_on_standby(house.pair.primary)
    assert not read_on_standby("postgresql://user@127.0.0.1:1/none")


def test_a_standby_that_stands_still_hides_no_write(house: House, clients: tuple[httpx.Client, httpx.Client]) -> None:
    """The primary is searched in its place, until it follows again."""
    writer, reader = clients
    with house.pair.paused():
        served, behind = house.counted(SERVED), house.counted(BEHIND)
        for number in range(5):
            _created(writer, patient(identifier=[{"system": "urn:still", "value": str(number)}]))
            assert _found(reader, "Patient?identifier=urn:still|") == number + 1
        assert house.counted(SERVED) == served
        assert house.counted(BEHIND) > behind
    house.pair.caught_up()
    wait_until(
        lambda: _found(reader, "Patient?identifier=urn:still|") == 5 and house.counted(SERVED) > served,
        "searches on the standby",
    )


def test_access_that_has_ended_is_not_open_on_a_standby_that_stands_still(
    house: House, clients: tuple[httpx.Client, httpx.Client]
) -> None:
    """Neither by a care relationship that is over, nor by a token that is revoked."""
    writer, _ = clients
    writer.put("/fhir/Practitioner/leaving", json={"resourceType": "Practitioner", "id": "leaving"})
    carer = [{"reference": "Practitioner/leaving"}]
    id_ = _created(writer, patient(generalPractitioner=carer))
    _created(writer, observation(f"Patient/{id_}"))
    with open_pool(house.pair.primary, size=1) as pool:
        made = create_user("leaving", role="practitioner", fhir_user="Practitioner/leaving", password_hash="x")
        transaction(pool, lambda: made)
    token = house.token("user/*.rs", username="leaving")
    one, two = house.clients(token)
    with one, two:
        wait_until(lambda: _found(two, f"Observation?subject=Patient/{id_}") == 1, "the care relationship")
        house.pair.caught_up()
        with house.pair.paused():
            house.pair.sql("DELETE FROM care_relationship WHERE practitioner = 'leaving'")
            assert _found(two, f"Observation?subject=Patient/{id_}") == 0
            assert _found(one, f"Observation?subject=Patient/{id_}") == 0
            gone = "UPDATE access_token SET revoked = true WHERE username = 'leaving' RETURNING hash"
            house.pair.sql(f"WITH gone AS ({gone}) SELECT pg_notify('healix_token', encode(hash, 'hex')) FROM gone")
            wait_until(lambda: two.get("/fhir/Observation").status_code == 401, "the revocation")


def test_what_nodes_remember_follows_the_database(house: House, clients: tuple[httpx.Client, httpx.Client]) -> None:
    """Search parameters and terminology that one node is given are soon those of the other."""
    one, two = clients
    _created(one, patient(gender="other", maritalStatus={"text": "follows"}))
    parameter = search_parameter("follows", "string", "Patient.maritalStatus.text", "Patient")
    assert one.put("/fhir/SearchParameter/follows", json=parameter).status_code == 201
    strict = {"headers": {"Prefer": "handling=strict"}}

    def searchable() -> bool:
        answer = two.get("/fhir/Patient?follows=follows", **strict)  # type: ignore[arg-type]
        return answer.status_code == 200 and answer.json()["total"] == 1

    wait_until(searchable, "the search parameter")
    looked_up = "/fhir/CodeSystem/$lookup?system=urn:follows&code=a"
    for display in ("before", "after"):
        system = code_system({"code": "a", "display": display}, url="urn:follows", id="follows")
        assert one.put("/fhir/CodeSystem/follows", json=system).status_code in (200, 201)
        assert display in two.get(looked_up).text


def test_searches_go_on_without_the_standby(house: House, clients: tuple[httpx.Client, httpx.Client]) -> None:
    """It is killed in the middle and nobody gets an error; when it is back it is searched again."""
    writer, reader = clients
    lost = house.counted(LOST)
    for number in range(20):
        if number == 5:
            house.pair.kill()
        id_ = _created(writer, patient(identifier=[{"system": "urn:without", "value": str(number)}]))
        assert _found(reader, "Patient?identifier=urn:without|&_count=50") == number + 1
        assert f"Patient/{id_}" in reader.get(f"/fhir/Patient/{id_}/$everything").text
        assert _c_find(house.nodes[0], uid(number, 9)) == []
    assert house.counted(LOST) > lost
    house.pair.start()
    served = house.counted(SERVED)
    wait_until(
        lambda: _found(reader, "Patient?identifier=urn:without|&_count=50") == 20 and house.counted(SERVED) > served,
        "searches on the standby",
    )


def test_callers_go_on_when_a_node_is_lost(house: House) -> None:
    """Who calls again reaches the other node, finds all that was acknowledged, and repeats without harm."""
    token = house.token("system/*.cruds")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=house.url, headers=headers, timeout=30, verify=NO_TLS) as client:

        def sent(method: str, address: str, **options: Any) -> httpx.Response:
            answers: list[httpx.Response] = []

            def again() -> bool:
                try:
                    answers.append(client.request(method, address, **options))
                except httpx.TransportError:
                    return False
                return answers[-1].status_code != 503

            wait_until(again, "a node that answers")
            return answers[-1]

        for number in range(20):
            if number == 7:
                (web,) = house.nodes[0].children("web")
                web.kill()
            resource = patient(id=f"lost-{number}", identifier=[{"system": "urn:lost", "value": str(number)}])
            assert sent("PUT", f"/fhir/Patient/lost-{number}", json=resource).status_code in (200, 201)
            found = sent("GET", "/fhir/Patient?identifier=urn:lost|&_count=50")
            assert found.json()["total"] == number + 1
