"""Subscriptions of persons' apps: their own, seen by nobody else, told of what the person sees at that moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from healix_fhir.care import relationships
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import open_pool
from healix_fhir.store.owning import MOST
from healix_fhir.subscription.deliver import deliverer
from healix_fhir.subscription.notify import consumer
from smart_auth.account.home import Home
from tests.integration.subscription.conftest import observation
from tests.support.gate import Pool, user
from tests.support.live_server import LiveServer, live_server
from tests.support.receiver import receiving
from tests.support.topics import to_topic, told

Json = dict[str, Any]
URL = "/fhir/Subscription"
OF_P = "Observation?patient=Patient/p"


class Clinic:
    """`dr` cares for Patient/p, whose account is `ada`; `bob` is Patient/q, `eve` is Patient/r."""

    def __init__(self, server: LiveServer, pool: Pool) -> None:
        self.server = server
        user(pool, "dr", role="practitioner", fhir_user="Practitioner/d")
        user(pool, "ada", role="patient", fhir_user="Patient/p")
        user(pool, "bob", role="patient", fhir_user="Patient/q")
        self.patient("p", generalPractitioner=[{"reference": "Practitioner/d"}])
        user(pool, "eve", role="patient", fhir_user="Patient/r")
        self.patient("q")
        self.patient("r")

    def patient(self, id_: str, **more: Any) -> None:
        """Store a Patient."""
        self.put({"resourceType": "Patient", "id": id_, **more})

    def put(self, resource: Json) -> None:
        """Write as a system, and let the worker work."""
        with self.server.client("system/*.cruds") as system:
            answer = system.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.is_success, answer.text
        self.settle()

    def settle(self) -> None:
        """Handle all events, where addresses in private networks are allowed."""
        base = self.server.settings.fhir_base
        handlers = (relationships.handle, consumer((base,), allow_private=True))
        with psycopg.connect(self.server.settings.database_url, autocommit=True) as connection:
            while drain(connection, {"resource": handlers}):
                pass
            deliverer((base,), Home(base).spoken, allow_private=True)(connection)

    def ada(self, scope: str = "patient/*.cruds", client: str = "app") -> httpx.Client:
        """An app of Ada's."""
        return self.server.client(scope, patient="p", username="ada", client=client)

    def bob(self) -> httpx.Client:
        """An app of Bob's."""
        return self.server.client("patient/*.cruds", patient="q", username="bob", client="app")

    def eve(self) -> httpx.Client:
        """An app of Eve's."""
        return self.server.client("patient/*.cruds", patient="r", username="eve", client="app")

    def dr(self) -> httpx.Client:
        """An app of the clinician's."""
        return self.server.client("user/*.cruds", username="dr", client="app")


@pytest.fixture(scope="module")
def clinic(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """The clinic of these tests."""
    data: Path = tmp_path_factory.mktemp("own")
    with open_pool(module_database_url, size=2) as pool, live_server(module_database_url, data) as server:
        yield Clinic(server, pool)


def asked(filter_: str | None = OF_P, **more: Any) -> Json:
    """A Subscription to readings over a web socket."""
    return to_topic(channel={"type": "websocket"}, **({"filter": filter_} if filter_ else {})) | more


def made(clinic: Clinic, client: httpx.Client, resource: Json) -> Json:
    """What a create stored, after the worker has looked at it."""
    answer = client.post(URL, json=resource)
    assert answer.status_code == 201, answer.text
    clinic.settle()
    found: Json = client.get(f"{URL}/{answer.json()['id']}").json()
    return found


def heard(client: httpx.Client, id_: str) -> list[tuple[int, str | None]]:
    """The events that a client is told of."""
    answer = client.get(f"{URL}/{id_}/$events")
    assert answer.status_code == 200, answer.text
    events: list[tuple[int, str | None]] = told(answer.content)["events"]
    return events


@pytest.mark.spec("FHIR R4 subscription.html#safety")
def test_a_patients_app_is_told_of_its_own_record(clinic: Clinic) -> None:
    """Nobody else sees, changes or ends it, but a system; what a system writes over it is the app's no more."""
    same = clinic.server.client("patient/*.cruds", patient="p", username="dr", client="app")
    with clinic.ada() as ada, clinic.bob() as bob, clinic.dr() as dr, clinic.ada(client="other") as other, same:
        own = made(clinic, ada, asked())
        assert own["status"] == "active"
        address = f"{URL}/{own['id']}"
        clinic.put(observation("mine", "p"))
        clinic.put(observation("theirs", "q"))
        assert heard(ada, own["id"]) == [(1, "Observation/mine")]
        assert [one["resource"]["id"] for one in ada.get(URL).json()["entry"]] == [own["id"]]
        for stranger in (bob, dr, other, same):
            assert stranger.get(address).status_code == 404
            assert stranger.get(f"{address}/$events").status_code == 404
            assert stranger.get(f"{address}/_history").status_code == 404
            assert "entry" not in stranger.get(URL).json()
            assert stranger.put(address, json=own | {"status": "off"}).status_code in (403, 404)
            assert stranger.delete(address).status_code in (204, 404)
        with clinic.ada("patient/Observation.rs") as narrow, clinic.server.client() as nobody:
            assert narrow.get(address).status_code == 403
            assert narrow.post(URL, json=asked()).status_code == 403
            assert nobody.get(address).status_code == 401
            assert nobody.post(URL, json=asked()).status_code == 401
        with clinic.server.client("patient/*.cruds", patient="p", client="app") as unknown:  # a token of no person
            assert unknown.post(URL, json=asked()).status_code == 403
        ended = ada.put(address, json=own | {"status": "off"})
        assert ended.status_code == 200, ended.text
        again = ada.put(address, json=ended.json() | {"status": "requested"})
        assert again.status_code == 200, again.text
        clinic.put(ada.get(address).json() | {"reason": "taken over"})
        assert ada.get(address).status_code == 404
        assert ada.delete(address).status_code in (204, 404)
        with clinic.server.client("system/*.rs") as system:
            assert system.get(address).json()["reason"] == "taken over"


def test_access_is_asked_at_each_delivery(clinic: Clinic) -> None:
    """A clinician is told of those in their care, and, once that has ended, of nothing: not even of what was before."""
    with clinic.dr() as dr:
        own = made(clinic, dr, asked(None))
        clinic.put(observation("seen", "p"))
        clinic.put(observation("unseen", "q"))
        assert heard(dr, own["id"]) == [(1, "Observation/seen")]
        clinic.patient("p")
        clinic.put(observation("late", "p"))
        assert heard(dr, own["id"]) == [(1, None)]
        assert dr.delete(f"{URL}/{own['id']}").status_code in (200, 204)
        assert dr.get(f"{URL}/{own['id']}").status_code in (404, 410)
        clinic.patient("p", generalPractitioner=[{"reference": "Practitioner/d"}])


def test_what_is_refused(clinic: Clinic) -> None:
    """All patients' readings to a patient's app, an address within the server's network, and more than a person needs;
    of another's record there are no events.
    """
    with clinic.eve() as eve, receiving() as receiver:
        wide = made(clinic, eve, asked(None))
        assert (wide["status"], "name the patient" in wide["error"]) == ("error", True)
        hook = {"type": "rest-hook", "endpoint": receiver.url}
        inside = made(clinic, eve, to_topic(channel=hook, filter="Observation?patient=Patient/r"))
        assert inside["status"] == "error"
        assert receiver.seen == []
        other = made(clinic, eve, asked("Observation?patient=Patient/q"))
        clinic.put(observation("of-q", "q"))
        assert heard(eve, other["id"]) == []
        answers = [eve.post(URL, json=asked(status="off")) for _ in range(MOST)]
        refused = [one for one in answers if one.status_code != 201]
        assert {one.status_code for one in refused} == {422}
        count = len(eve.get(f"{URL}?_count=100").json()["entry"])
        assert (count, "at most" in refused[0].text) == (MOST, True)
