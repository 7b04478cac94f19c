"""Web sockets and streams over two web processes and one database, with other people's clients."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from healix_fhir.api.live import process
from healix_fhir.api.live import socket as sockets
from healix_fhir.api.live import stream as streams
from healix_fhir.care.relationships import handle
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import run, transaction
from healix_fhir.subscription.notify import consumer
from smart_auth.oauth.sessions import open_session
from smart_auth.store import revoke
from tests.integration.subscription.conftest import observation
from tests.support.gate import Pool, user
from tests.support.live_server import STARTED, LiveServer, live_server
from tests.support.topics import to_topic, told

WAIT = 60.0
EVERYTHING = "system/*.cruds"


@dataclass
class Nodes:
    """Two web processes on one database, and what the job worker does."""

    first: LiveServer
    second: LiveServer

    def settle(self) -> None:
        """Handle all events, as the job worker does."""
        base = self.first.settings.fhir_base
        consumers = {"resource": (handle, consumer((base,), allow_private=True))}
        with psycopg.connect(self.first.settings.database_url, autocommit=True) as connection:
            while drain(connection, consumers):
                pass

    def put(self, resource: dict[str, Any], token: str | None = None) -> None:
        """Write over the first node, and let it be handled."""
        bearer = token or self.first.token(EVERYTHING)
        path = f"/fhir/{resource['resourceType']}/{resource['id']}"
        with httpx.Client(base_url=self.first.url, headers={"Authorization": f"Bearer {bearer}"}) as client:
            answer = client.put(path, json=resource)
        assert answer.is_success, answer.text
        self.settle()

    @property
    def socket(self) -> str:
        """The address of the second node's sockets."""
        return f"ws{self.second.url.removeprefix('http')}/subscriptions/websocket"


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open connections look at the store once a second: nothing wakes them when their Subscription is switched off."""
    for kind in (sockets, streams):
        monkeypatch.setattr(kind, "PULSE", 1.0)


@pytest.fixture
def nodes(database_url: str, tmp_path: Path) -> Iterator[Nodes]:
    """Two nodes of one server: they name themselves by one base URL."""
    with ExitStack() as stack:
        named = {"base_url": "http://healix.test"}
        yield Nodes(*(stack.enter_context(live_server(database_url, tmp_path / n, **named)) for n in ("a", "b")))


def by_socket(id_: str = "s", content: str = "id-only", **asked: Any) -> dict[str, Any]:
    """A Subscription to readings over a web socket."""
    return to_topic(content=content, channel={"type": "websocket"}, **asked) | {"id": id_}


def binding(nodes: Nodes, token: str, id_: str = "s") -> httpx.Response:
    """A call of $get-ws-binding-token."""
    url = f"{nodes.first.url}/fhir/Subscription/{id_}/$get-ws-binding-token"
    return httpx.get(url, headers={"Authorization": f"Bearer {token}"})


def bind(nodes: Nodes, socket: ClientConnection, token: str, id_: str = "s") -> dict[str, Any]:
    """Bind a socket to a Subscription; the handshake."""
    parameters = {one["name"]: one for one in binding(nodes, token, id_).json()["parameter"]}
    assert parameters["websocket-url"]["valueUrl"] == "ws://healix.test/subscriptions/websocket"
    socket.send(f"bind-with-token {parameters['token']['valueString']}")
    return told(socket.recv(WAIT))


def closed(socket: ClientConnection) -> int:
    """With which code the other side ends the socket."""
    with pytest.raises(ConnectionClosed) as caught:
        _exhaust(socket)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code


def _exhaust(socket: ClientConnection) -> None:
    while True:
        socket.recv(WAIT)


@pytest.mark.spec("hl7.fhir.uv.subscriptions-backport 1.1.0 channels.html#websockets")
def test_a_socket_is_bound_and_told(nodes: Nodes) -> None:
    """What one node commits is told over another's socket, in order, with heartbeats, until the token is revoked."""
    token = nodes.first.token(EVERYTHING)
    nodes.put(by_socket(heartbeat=10))
    with connect(nodes.socket) as socket:
        assert bind(nodes, socket, token) == {
            "type": "handshake", "status": "active", "total": 0, "events": [], "resources": [],
        }  # fmt: skip
        for n in (1, 2):
            nodes.put(observation(f"o{n}"))
            assert told(socket.recv(WAIT))["events"] == [(n, f"Observation/o{n}")]
        with psycopg.connect(nodes.first.settings.database_url, autocommit=True) as connection:
            run(connection, revoke(token))
        assert closed(socket) == 1008
    events = httpx.get(
        f"{nodes.first.url}/fhir/Subscription/s/$events?eventsSinceNumber=2&content=full-resource",
        headers={"Authorization": f"Bearer {nodes.first.token(EVERYTHING)}"},
    ).json()
    assert told(events) == {
        "type": "query-event", "status": "active", "total": 2, "events": [(2, "Observation/o2")], "resources": ["o2"],
    }  # fmt: skip


@pytest.mark.spec("FHIR R4 subscription.html#2.46.7.2")
@pytest.mark.usefixtures("often")
def test_a_socket_is_pinged(nodes: Nodes) -> None:
    """R4's own form: bind, bound, ping; the token comes as a header or as a subprotocol."""
    token = nodes.first.token(EVERYTHING)
    plain = {
        "resourceType": "Subscription", "id": "s", "status": "requested", "reason": "test",
        "criteria": "Observation?status=final", "channel": {"type": "websocket"},
    }  # fmt: skip
    nodes.put(plain)
    offered = [Subprotocol("healix.subscriptions"), Subprotocol(f"healix.bearer.{token}")]
    header = {"Authorization": f"Bearer {token}"}
    with (
        connect(nodes.socket, additional_headers=header) as first,
        connect(nodes.socket, subprotocols=offered) as second,
    ):
        assert second.subprotocol == "healix.subscriptions"
        for socket in (first, second):
            socket.send("bind s")
            assert socket.recv(WAIT) == "bound s"
        nodes.put(observation("o1", status="preliminary"))
        nodes.put(observation("o2"))
        assert [socket.recv(WAIT) for socket in (first, second)] == ["ping s", "ping s"]
        nodes.put(plain | {"status": "off"})
        assert {closed(first), closed(second)} == {1000}


def test_nobody_hears_of_what_is_anothers(nodes: Nodes, pool: Pool) -> None:
    """A socket tells its own bearer only what that bearer sees, whoever wrote the Subscription."""
    for id_, doctor in (("p1", "d"), ("p2", "e")):
        nodes.put(
            {"resourceType": "Patient", "id": id_, "generalPractitioner": [{"reference": f"Practitioner/{doctor}"}]}
        )
    user(pool, "dr", role="practitioner", fhir_user="Practitioner/d")
    nodes.put(by_socket(content="full-resource"))
    narrow = nodes.first.token("system/Subscription.rs user/Observation.rs", username="dr")
    with connect(nodes.socket) as socket:
        bind(nodes, socket, narrow)
        nodes.put(observation("o1", "p2"))
        nodes.put(observation("o2", "p1"))
        heard: list[Any] = []
        while sum(len(one["events"]) for one in heard) < 2:
            text = socket.recv(WAIT)
            assert "p2" not in str(text)
            heard.append(told(text))
        assert [event for one in heard for event in one["events"]] == [(1, None), (2, "Observation/o2")]
        assert [id_ for one in heard for id_ in one["resources"]] == ["o2"]


def test_what_opens_nothing_ends_the_socket(nodes: Nodes) -> None:
    """No token, a wrong one, or words that mean nothing: the socket is closed, and tells nothing."""
    for said in ("bind s", "bind-with-token nonsense", "hello", "bind-with-token ", b"\0\1"):
        with connect(nodes.socket) as socket:
            socket.send(said)
            assert closed(socket) in (1003, 1008), said


def test_who_may_open_and_bind(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts of other origins, too many sockets, wrong tokens and Subscriptions that are not seen are refused."""
    nodes.put(by_socket())
    nodes.put(to_topic(channel={"endpoint": "http://127.0.0.1:9/"}) | {"id": "hook"})
    token = nodes.first.token(EVERYTHING)
    assert binding(nodes, nodes.first.token("system/Observation.rs")).status_code == 403
    assert binding(nodes, nodes.first.token("patient/*.rs", patient="p1")).status_code == 404
    assert [binding(nodes, token, id_).status_code for id_ in ("none", "hook")] == [404, 400]
    with pytest.raises(InvalidStatus) as refused, connect(nodes.socket, origin=Origin("https://evil.test")):
        pass
    assert refused.value.response.status_code == 403
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(nodes.socket, additional_headers={"Authorization": "Bearer x"}),
    ):
        pass
    assert refused.value.response.status_code == 401
    monkeypatch.setattr(process, "MOST_OF_ONE", 1)
    with connect(nodes.socket), pytest.raises(InvalidStatus) as refused, connect(nodes.socket):
        pass
    assert refused.value.response.status_code == 429


@contextmanager
def streaming(server: LiveServer, id_: str = "s", **headers: str) -> Iterator[Iterator[str]]:
    """The lines of a stream of events."""
    with (
        httpx.Client(base_url=server.url, timeout=WAIT) as client,
        client.stream("GET", f"/subscriptions/{id_}/events", headers=headers) as answer,
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
        yield answer.iter_lines()


def event(lines: Iterator[str]) -> tuple[int, dict[str, Any]]:
    """The next event: its number and its notification."""
    number = 0
    for line in lines:
        if line.startswith("id: "):
            number = int(line.removeprefix("id: "))
        if line.startswith("data: "):
            return number, told(json.loads(line.removeprefix("data: ")))
    raise AssertionError("the stream has ended")


@pytest.mark.spec("HTML server-sent-events.html#last-event-id")
@pytest.mark.usefixtures("often")
def test_a_stream_goes_on_where_it_was(nodes: Nodes, pool: Pool) -> None:
    """With a token, or the session of who wrote the Subscription; from now on, or after the last event read."""
    user(pool, "root", role="admin")
    nodes.put(by_socket(), nodes.first.token(EVERYTHING, username="root"))
    nodes.put(observation("o1"))
    bearer = {"Authorization": f"Bearer {nodes.first.token(EVERYTHING)}"}
    with streaming(nodes.second, **bearer) as lines:
        assert next(lines).startswith("retry:")
        nodes.put(observation("o2"))
        assert event(lines)[0] == 2
    cookie = {"Cookie": f"healix={transaction(pool, lambda: open_session('root'))}"}
    with streaming(nodes.second, **cookie, **{"Last-Event-ID": "1"}) as lines:
        number, heard = event(lines)
        assert (number, heard["events"]) == (2, [(2, "Observation/o2")])
        nodes.put(by_socket() | {"status": "off"}, nodes.first.token(EVERYTHING, username="root"))
        assert [line for line in lines if line.startswith("data")] == []


def test_streams_of_others(nodes: Nodes, pool: Pool) -> None:
    """Without a token, with another's session, a wrong id or number there is no stream; and it costs nobody a place."""
    nodes.put(by_socket())
    user(pool, "mallory", role="admin")
    session = transaction(pool, lambda: open_session("mallory"))
    bearer = {"Authorization": f"Bearer {nodes.first.token(EVERYTHING)}"}
    patient = {"Authorization": f"Bearer {nodes.first.token('patient/*.rs', patient='p1')}"}
    for path, headers, status in (
        ("s", {}, 401),
        ("s", {"Cookie": f"healix={session}"}, 404),
        ("s", {"Cookie": "healix=nonsense"}, 404),
        ("s", patient, 404),
        ("none", bearer, 404),
        ("s", bearer | {"Last-Event-ID": "x"}, 400),
    ):
        answer = httpx.get(f"{nodes.second.url}/subscriptions/{path}/events", headers=headers)
        assert answer.status_code == status, (path, headers)
        assert answer.json()["resourceType"] == "OperationOutcome"
    assert httpx.post(f"{nodes.second.url}/subscriptions/s/events", headers=bearer).status_code == 405


def test_a_server_that_shuts_down_ends_its_streams(database_url: str, tmp_path: Path) -> None:
    """Nobody waits for a stream to end by itself."""
    with ExitStack() as stack:
        server = stack.enter_context(live_server(database_url, tmp_path))
        nodes = Nodes(server, server)
        nodes.put(by_socket())
        bearer = {"Authorization": f"Bearer {server.token(EVERYTHING)}"}
        lines = stack.enter_context(streaming(server, **bearer))
        assert next(lines).startswith("retry:")
        began = time.monotonic()
        leaving = stack.pop_all()
    with leaving:
        pass
    assert time.monotonic() - began < STARTED / 2
