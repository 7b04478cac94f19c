"""Devices that send readings with a token of their own, which they get for a code."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from healix_fhir.care import devices
from healix_fhir.kernel.consume import drain
from tests.integration.api.test_measurements import SYSTEM, clinic, counts, device, line, told
from tests.support.live_server import LiveServer
from tests.support.serve import wait_until

__all__ = ["clinic"]

GRANT = "urn:healix:oauth:grant-type:pairing-code"
INGEST = "/fhir/$ingest-measurements"


def code(client: httpx.Client, id_: str = "watch") -> str:
    """A code for a device."""
    answer = client.post(f"/fhir/Device/{id_}/$pairing-code")
    assert answer.status_code == 200, answer.text
    found = {part["name"]: part for part in answer.json()["parameter"]}
    assert found["expires"]["valueInstant"]
    return str(found["code"]["valueString"])


def redeem(url: str, text: str) -> httpx.Response:
    """What the token endpoint answers to a device, which sends no credentials but the code."""
    return httpx.post(f"{url}/oauth/token", data={"grant_type": GRANT, "code": text})


def bearer(answer: httpx.Response) -> dict[str, str]:
    """The header of a token that was answered."""
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.mark.spec("RFC 6749 4.5")
def test_a_device_gets_its_own_token(clinic: LiveServer) -> None:
    """For a code, typed in any case, a device gets a token that says whose it is and for which device."""
    with clinic.client(SYSTEM) as client:
        text = code(client)
        assert len(text.replace("-", "")) == 8
        answer = redeem(clinic.url, text.lower().replace("-", ""))
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        given = answer.json()
        assert (given["patient"], given["fhirContext"]) == ("ada", [{"reference": "Device/watch"}])
        assert redeem(clinic.url, text).json()["error"] == "invalid_grant"  # it is used


OPEN = (
    ("GET", "/fhir/Device/watch", 200),
    ("GET", "/fhir/Device/second", 404),
    ("GET", "/fhir/Device/band", 404),
    ("GET", "/fhir/Device", 403),
    ("GET", "/fhir/Patient/ada", 403),
    ("GET", "/fhir/Observation?patient=ada", 403),
    ("GET", "/fhir/Observation/<reading>", 403),
    ("DELETE", "/fhir/Observation/<reading>", 403),
    ("POST", "/fhir/Device/watch/$pairing-code", 403),
    ("POST", "/fhir/Device/watch/$unpair", 403),
)


def test_a_device_only_sends_readings(clinic: LiveServer) -> None:
    """The token of a device reads the device itself, and opens no other, no record and no reading."""
    with clinic.client(SYSTEM) as client:
        client.put("/fhir/Device/second", json=device("second"))
        paired = bearer(redeem(clinic.url, code(client)))
        assert told(httpx.post(clinic.url + INGEST, json=[line()], headers=paired)) == counts(1, created=1)
        reading = client.get("/fhir/Observation?patient=ada").json()["entry"][0]["resource"]["id"]
    with httpx.Client(base_url=clinic.url, headers=paired) as own:
        found = [(method, path, own.request(method, path.replace("<reading>", reading)).status_code)
                 for method, path, _ in OPEN]  # fmt: skip
    assert found == [*OPEN]


def test_readings_of_others_are_refused(clinic: LiveServer) -> None:
    """A device corrects its own readings; those of other devices, of the same patient and of another, it cannot send;
    nor Observations that are not by it.
    """
    with clinic.client(SYSTEM) as client:
        client.put("/fhir/Device/second", json=device("second"))
        paired = bearer(redeem(clinic.url, code(client)))
        lines = [line(0), line(1, device="second"), line(2, device="band")]
        answer = told(httpx.post(clinic.url + INGEST, json=lines, headers=paired))
        assert answer == counts(
            3, created=1, refused=["2: there is no device 'second'", "3: there is no device 'band'"]
        )
        assert told(httpx.post(clinic.url + INGEST, json=[line(0, 61)], headers=paired)) == counts(1, updated=1)
        mine = client.get("/fhir/Observation?patient=ada").json()["entry"][0]["resource"]
        for changed in ({"device": {"reference": "Device/second"}}, {"subject": {"reference": "Patient/bob"}}):
            made = {name: value for name, value in mine.items() if name not in ("id", "meta")} | changed
            assert httpx.post(f"{clinic.url}/fhir/Observation", json=made, headers=paired).status_code == 403


@pytest.mark.parametrize("way", ["inactive", "deleted", "another"])
def test_a_device_that_is_not_in_use_has_no_access(clinic: LiveServer, way: str) -> None:
    """However a Device leaves use, its token sends nothing any more, and a code for it is worthless."""
    with clinic.client(SYSTEM) as client:
        paired = bearer(redeem(clinic.url, code(client)))
        assert told(httpx.post(clinic.url + INGEST, json=[line()], headers=paired)) == counts(1, created=1)
        with psycopg.connect(clinic.settings.database_url, autocommit=True) as connection:
            connection.execute("UPDATE ticket SET created = created - interval '1 minute'")
        waiting = code(client)
        changed = device("watch")
        if way == "deleted":
            client.delete("/fhir/Device/watch")
        else:
            changed |= {"status": "inactive"} if way == "inactive" else {"patient": {"reference": "Patient/bob"}}
            assert client.put("/fhir/Device/watch", json=changed).status_code == 200
    with psycopg.connect(clinic.settings.database_url) as connection:
        while drain(connection, {"resource": [devices.consumer((clinic.settings.fhir_base,))]}):
            pass
    wait_until(
        lambda: httpx.post(clinic.url + INGEST, json=[line(1)], headers=paired).status_code == 401, "the token to end"
    )
    assert redeem(clinic.url, waiting).json()["error"] == "invalid_grant"
    with psycopg.connect(clinic.settings.database_url) as connection:
        rows = connection.execute("SELECT client, patient FROM audit_event WHERE subtype = 'token' AND action = 'D'")
        assert rows.fetchall() == [("devices", "ada")]


def test_one_of_many_at_once_gets_the_token(clinic: LiveServer) -> None:
    """Of any number who redeem a code at once, one is given a token."""
    with clinic.client(SYSTEM) as client, ThreadPoolExecutor(8) as crew:
        text = code(client)
        answers = list(crew.map(lambda _: redeem(clinic.url, text).status_code, range(16)))
    assert sorted(answers) == [200] + [400] * 15


def test_unpairing_ends_it_at_once(clinic: LiveServer) -> None:
    """The token of a device that is unpaired, or paired again, is worthless; what is inactive sends nothing by any."""
    with clinic.client(SYSTEM) as client:
        first = bearer(redeem(clinic.url, code(client)))
        httpx.get(f"{clinic.url}/fhir/Device/watch", headers=first).raise_for_status()
        second = bearer(redeem(clinic.url, code(client)))
        assert httpx.get(f"{clinic.url}/fhir/Device/watch", headers=first).status_code == 401
        pending = code(client)
        answer = client.post("/fhir/Device/watch/$unpair")
        assert (answer.status_code, answer.json()["status"]) == (200, "inactive")
        assert httpx.get(f"{clinic.url}/fhir/Device/watch", headers=second).status_code == 401
        assert redeem(clinic.url, pending).status_code == 400
        refused = ["1: the device 'watch' is not active"]
        assert told(client.post(INGEST, json=[line()])) == counts(1, refused=refused)


def test_codes_are_refused(clinic: LiveServer) -> None:
    """For a device of nobody there is no code, as for one of another server's patient with the same id; nor for one in
    another's record; not two within seconds.
    """
    with clinic.client(SYSTEM) as client:
        elsewhere = {"patient": {"reference": "http://elsewhere.test/fhir/Patient/ada"}}
        client.put("/fhir/Device/away", json=device("away") | elsewhere).raise_for_status()
        assert client.post("/fhir/Device/away/$pairing-code").status_code == 422
        refused = ["1: the device 'away' belongs to no patient"]
        assert told(client.post(INGEST, json=[line(device="away")])) == counts(1, refused=refused)
        code(client)
        again = client.post("/fhir/Device/watch/$pairing-code")
        assert (again.status_code, again.headers["retry-after"]) == (429, "5")
        assert client.post("/fhir/Device/new/$pairing-code").status_code == 422
        assert client.post("/fhir/Device/none/$pairing-code").status_code == 404
    with clinic.client("patient/Device.ru", patient="ada") as client:
        assert client.post("/fhir/Device/band/$pairing-code").status_code == 404
    with clinic.client("patient/Device.r", patient="ada") as client:
        assert client.post("/fhir/Device/watch/$pairing-code").status_code == 403
    assert httpx.post(f"{clinic.url}/fhir/Device/watch/$pairing-code").status_code == 401


def test_guesses_are_few(clinic: LiveServer) -> None:
    """Who tries many codes has to wait."""
    answers: list[Any] = [redeem(clinic.url, f"AAAA-{n:04}").status_code for n in range(31)]
    assert answers == [400] * 30 + [429]
