"""The channel: who may open it, what comes over it, when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from dicomweb.api import channel as channels
from healix_fhir.kernel.database import run
from smart_auth.store import revoke
from tests.support.channel import address, channel, heard, offered, short
from tests.support.live_server import LiveServer, live_server
from tests.support.workitems import state, workitem

UID = "1.2.826.0.1.3680043.10.1714.82.1"
ITEM = f"/dicomweb/workitems/{UID}"
GLOBAL = "/dicomweb/workitems/1.2.840.10008.5.1.4.34.5/subscribers"
SPEC = pytest.mark.spec("PS3.18 8.10.4")


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A workflow manager that has subscribed WATCH to everything."""
    with server.client("system/Task.cruds", client="ris") as opened:
        assert opened.post(f"{GLOBAL}/WATCH").status_code == 201
        yield opened


def watcher(server: LiveServer) -> str:
    """The token of the same app."""
    return server.token("system/Task.rs", client="ris")


def add(client: httpx.Client, uid: str = UID) -> None:
    """Create an item that is assigned to nobody."""
    answer = client.post(f"/dicomweb/workitems?{uid}", json=workitem(ScheduledStationNameCodeSequence=None))
    assert answer.status_code == 201, answer.text


def refused(server: LiveServer, token: str | None, **headers: str) -> int:
    """The status with which a channel is refused."""
    given = {"Authorization": f"Bearer {token}"} if token else {}
    with (
        pytest.raises(InvalidStatus) as answer,
        connect(address(server, "WATCH"), additional_headers={**given, **headers}),
    ):
        pass
    return answer.value.response.status_code


def all_heard(socket: ClientConnection) -> list[tuple[str, str, str | None]]:
    """What comes until nothing has come for a second."""
    found = []
    try:
        while True:
            found.append(short(heard(socket, 1.0)))
    except TimeoutError:
        return found


@SPEC
@pytest.mark.spec("PS3.18 8.10.5")
@pytest.mark.spec("PS3.18 11.13")
def test_events_come_over_the_channel_as_they_happen(server: LiveServer, client: httpx.Client) -> None:
    """A new item, and what becomes of it."""
    with channel(server, watcher(server)) as socket:
        add(client)
        assert short(heard(socket)) == ("state", UID, "SCHEDULED")
        client.put(f"{ITEM}/state", json=state("IN PROGRESS"))
        assert short(heard(socket)) == ("state", UID, "IN PROGRESS")
        client.post(f"{ITEM}/cancelrequest")
        report = heard(socket)
        assert short(report) == ("cancel requested", UID, None)
        assert report["00741236"]["Value"] == ["ris"]


@SPEC
def test_what_was_missed_comes_when_the_channel_is_open_again(server: LiveServer, client: httpx.Client) -> None:
    """Once, and in order; also what happened before it was opened for the first time."""
    add(client)
    client.put(f"{ITEM}/state", json=state("IN PROGRESS"))
    token = watcher(server)
    with channel(server, token) as socket:
        assert [short(heard(socket))[2] for _ in range(2)] == ["SCHEDULED", "IN PROGRESS"]
        with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
            for _ in range(100):
                if connection.execute("SELECT seen FROM workitem_subscriber WHERE seen > 1").fetchone():
                    break
                connection.execute("SELECT pg_sleep(0.05)")
    client.put(f"{ITEM}/state", json=state("CANCELED"))
    with channel(server, token) as socket:
        assert short(heard(socket)) == ("state", UID, "CANCELED")
        with pytest.raises(TimeoutError):
            heard(socket, 0.3)


@pytest.mark.spec("PS3.18 8.10.4")
def test_every_channel_of_a_title_is_told_whichever_node_it_is_at(
    server: LiveServer, client: httpx.Client, tmp_path: Path
) -> None:
    """Events pass through the database."""
    with live_server(server.settings.database_url, tmp_path / "other") as other, ExitStack() as stack:
        token = watcher(server)
        sockets = [stack.enter_context(channel(node, token)) for node in (server, other, other)]
        add(client)
        assert [short(heard(socket))[1] for socket in sockets] == [UID] * 3


def test_a_channel_tells_what_its_token_may_see(server: LiveServer, client: httpx.Client) -> None:
    """What is another patient's, and what is nobody's, is passed over."""
    with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
        with channel(server, server.token("patient/Task.rs", patient="own", client="ris")) as socket:
            for number in (2, 3):
                add(client, f"{UID}.{number}")
            connection.execute(
                "UPDATE workitem SET pat = (SELECT pat FROM patient_key WHERE id = 'own') WHERE uid = %s", (f"{UID}.3",)
            )
            client.post(f"/dicomweb/workitems/{UID}.2/cancelrequest")
            client.post(f"/dicomweb/workitems/{UID}.3/cancelrequest")
            told = all_heard(socket)
            assert told[-2:] == [("state", f"{UID}.3", "IN PROGRESS"), ("state", f"{UID}.3", "CANCELED")]
            assert {uid for _, uid, _ in told} == {f"{UID}.3"}
        rows = connection.execute(
            "SELECT DISTINCT subtype, patient, entity, query FROM audit_event WHERE subtype = 'workitem-event'"
        ).fetchall()
    assert rows == [("workitem-event", "own", f"{UID}.3", "WATCH")]


def test_a_browser_brings_its_token_as_a_subprotocol(server: LiveServer, client: httpx.Client) -> None:
    """The token is not said back."""
    with connect(address(server, "WATCH"), subprotocols=offered(watcher(server))) as socket:
        assert socket.subprotocol == "healix.events"
        add(client)
        assert short(heard(socket))[1] == UID


def test_nobody_opens_a_channel_without_a_token_for_it(server: LiveServer, client: httpx.Client) -> None:
    """401 without one that lives, also where it stands in the address; 403 with one for something else."""
    del client
    assert refused(server, None) == 401
    assert refused(server, "no-token-of-this-server") == 401
    assert refused(server, server.token("system/ImagingStudy.rs")) == 403
    assert refused(server, server.token("system/Task.s")) == 403
    assert refused(server, server.token("patient/Task.rs", patient="own", client="other")) == 403
    with pytest.raises(InvalidStatus) as answer, connect(f"{address(server, 'WATCH')}?access_token={watcher(server)}"):
        pass
    assert answer.value.response.status_code == 401


def test_scripts_of_other_origins_open_no_channel(server: LiveServer, client: httpx.Client) -> None:
    """This server's own do."""
    del client
    token = watcher(server)
    assert refused(server, token, Origin="https://evil.example") == 403
    assert refused(server, token, Origin="null") == 403
    with channel(server, token, headers={"Origin": server.settings.root}):
        pass


def test_a_channel_ends_with_its_token(server: LiveServer, client: httpx.Client) -> None:
    """At once when it is revoked, and nothing more is told."""
    token = watcher(server)
    with channel(server, token) as socket:
        with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
            assert run(connection, revoke(token))
        with pytest.raises(ConnectionClosed) as closed:
            heard(socket, 5)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    add(client)
    assert refused(server, token) == 401


def test_a_channel_takes_nothing(server: LiveServer, client: httpx.Client) -> None:
    """Who sends something is cut off, and who sends much is cut off before it is read."""
    del client
    for text, code in (("hello", 1003), ("x" * 5000, 1009)):
        with channel(server, watcher(server)) as socket:
            socket.send(text)
            with pytest.raises(ConnectionClosed) as closed:
                heard(socket, 5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code


def test_channels_are_limited(server: LiveServer, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """429 for one too many; one that ends makes room."""
    del client
    monkeypatch.setattr(channels, "MOST_OF_ONE", 2)
    token = watcher(server)
    with channel(server, token), channel(server, token):
        assert refused(server, token) == 429


@SPEC
def test_a_plain_request_is_told_to_upgrade(server: LiveServer, client: httpx.Client) -> None:
    """426; and a web socket to any other address is refused."""
    answer = client.get("/dicomweb/subscribers/WATCH")
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")
    with (
        pytest.raises(InvalidStatus) as other,
        connect(address(server, "WATCH").replace("/dicomweb/subscribers/WATCH", "/fhir/Patient")),
    ):
        pass
    assert other.value.response.status_code == 403
