"""Subscriptions from request to notification, over a real database and real HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest

from healix_fhir.kernel import pinned
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import transaction
from healix_fhir.subscription import deliver, send
from healix_fhir.subscription.seen import Asked, seen
from smart_auth.access import AccessContext
from smart_auth.scope import parse
from smart_auth.store import disable_user
from tests.integration.subscription.conftest import Notified, observation
from tests.support.gate import user
from tests.support.receiver import Receiver, closed_port, receiving
from tests.support.search import EVERYONE


def test_a_match_is_notified(clinic: Notified, receiver: Receiver) -> None:
    """A resource that matches is sent once for each version, as it is served; one that does not match is not."""
    clinic.subscribe("s", receiver.url, channel={"header": ["Authorization: Bearer secret"]})
    assert clinic.state("s") == ("active", None)
    clinic.write(observation("o1"))
    clinic.write(observation("o2", status="preliminary"))
    clinic.events()
    assert clinic.deliver() == 1
    (received,) = receiver.seen
    assert (received.method, received.path) == ("PUT", "/hook/Observation/o1")
    assert received.headers["content-type"] == "application/fhir+json"
    assert received.headers["authorization"] == "Bearer secret"
    (stored,) = clinic.page("Observation?_id=o1").entries
    assert received.body == bytes(stored.body)
    assert (clinic.deliver(), clinic.waiting()) == (0, 0)
    clinic.write(observation("o2"))
    clinic.events()
    clinic.deliver()
    assert [one.path for one in receiver.seen] == ["/hook/Observation/o1", "/hook/Observation/o2"]


def test_an_empty_notice(clinic: Notified, receiver: Receiver) -> None:
    """Without a payload nothing of the resource leaves, not even its id."""
    clinic.subscribe("s", receiver.url + "?key=1", payload=False)
    clinic.write(observation("o1"))
    clinic.events()
    clinic.deliver()
    (received,) = receiver.seen
    assert (received.method, received.path, received.body) == ("POST", "/hook?key=1", b"")


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"channel": {"type": "sms"}}, "sms is not supported"),
        ({"criteria": "Observation?nonsense=1"}, "nonsense"),
        ({"channel": {"endpoint": "ftp://example.org"}}, "https"),
    ],
)
def test_unsupported_ones_say_so(clinic: Notified, receiver: Receiver, elements: dict[str, Any], reason: str) -> None:
    """What is not supported gets the status error with the reason, and nothing is sent."""
    clinic.subscribe("s", receiver.url, **elements)
    status, error = clinic.state("s")
    assert status == "error"
    assert reason in (error or "")
    clinic.write(observation("o1"))
    clinic.events()
    assert clinic.waiting() == 0


def test_a_corrected_one_comes_alive(clinic: Notified, receiver: Receiver) -> None:
    """A Subscription that is written anew is looked at anew, and loses its error."""
    clinic.subscribe("s", receiver.url, criteria="Observation?nonsense=1")
    clinic.subscribe("s", receiver.url)
    assert clinic.state("s") == ("active", None)


def test_off_and_deleted(clinic: Notified, receiver: Receiver) -> None:
    """A Subscription that is turned off, deleted or over sends nothing more, not even what was in line."""
    for id_ in ("off", "gone", "over"):
        clinic.subscribe(id_, receiver.url)
    clinic.write(observation("o1"))
    clinic.events()
    assert clinic.waiting() == 3
    clinic.subscribe("off", receiver.url, status="off")
    clinic.delete("Subscription", "gone")
    clinic.events()
    with clinic.pool.connection() as connection:
        connection.execute("UPDATE subscription SET ends = now() WHERE id = 'over'")
    assert clinic.deliver() == 0
    assert (clinic.waiting(), receiver.seen) == (0, [])
    assert clinic.state("over") == ("off", None)


def test_access_is_the_writers(clinic: Notified, receiver: Receiver) -> None:
    """A Subscription tells its writer only what he may see: here the patients in his care, as of now."""
    clinic.write({"resourceType": "Patient", "id": "p1", "generalPractitioner": [{"reference": "Practitioner/d"}]})
    clinic.write({"resourceType": "Patient", "id": "p2"})
    doctor = AccessContext(parse("system/Subscription.cruds user/Observation.rs"), practitioner="d")
    clinic.subscribe("s", receiver.url, doctor)
    assert clinic.state("s") == ("active", None)
    clinic.write(observation("o1", "p1"))
    clinic.write(observation("o2", "p2"))
    clinic.events()
    assert clinic.waiting() == 1
    clinic.write({"resourceType": "Patient", "id": "p1"})
    clinic.events()
    clinic.deliver()
    assert (clinic.waiting(), receiver.seen) == (0, [])


@pytest.mark.spec("smart-app-launch/STU2.2/scopes-and-launch-context.html")
def test_queries_of_the_writers_scopes_hold(clinic: Notified, receiver: Receiver) -> None:
    """A Subscription tells only of what the query of its writer's scope finds."""
    few = clinic.access("system/Subscription.cruds system/Observation.rs?_id=o1")
    clinic.subscribe("s", receiver.url, few)
    assert clinic.state("s") == ("active", None)
    clinic.write(observation("o1"))
    clinic.write(observation("o2"))
    clinic.events()
    clinic.deliver()
    assert (clinic.waiting(), len(receiver.seen)) == (0, 1)
    assert "o1" in str(receiver.seen)


def test_nobody_borrows_anothers_access(clinic: Notified, receiver: Receiver) -> None:
    """Who changes another's Subscription is its writer from then on, with his own access, whatever status he sets."""
    clinic.subscribe("s", receiver.url)
    small = AccessContext(parse("system/Subscription.cruds"))
    clinic.subscribe("s", receiver.url + "/mine", small, status="active")
    status, error = clinic.state("s")
    assert status == "error"
    assert "do not open Observation" in (error or "")
    clinic.write(observation("o1"))
    clinic.events()
    assert clinic.waiting() == 0


def test_a_closed_account_hears_nothing(clinic: Notified, receiver: Receiver) -> None:
    """When the writer's account is closed, his Subscriptions are silent."""
    user(clinic.pool, "ada", role="admin")
    writer = AccessContext(parse("system/*.cruds"), Origin(account="ada"))
    clinic.subscribe("s", receiver.url, writer)
    clinic.write(observation("o1"))
    clinic.events()
    transaction(clinic.pool, lambda: disable_user("ada"))
    clinic.deliver()
    assert (clinic.waiting(), receiver.seen) == (0, [])


def test_failures_are_tried_again_and_then_shown(
    clinic: Notified, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver that fails is tried again after growing pauses; the Subscription shows why, and then is turned off."""
    monkeypatch.setattr(deliver, "ATTEMPTS", 4)
    clinic.subscribe("s", receiver.url)
    clinic.write(observation("o1"))
    clinic.events()
    receiver.status = 500
    pauses, states = [], []
    for _ in range(3):
        assert clinic.deliver() == 1
        assert clinic.deliver() == 0
        with clinic.pool.connection() as connection:
            row = connection.execute("SELECT extract(epoch FROM due - now()) FROM subscription").fetchone()
        assert row is not None
        pauses.append(round(row[0]))
        states.append(clinic.state("s"))
        clinic.due_now()
    reason = "the endpoint answered with the status 500"
    assert (pauses, states) == ([2, 4, 8], [("active", None), ("active", None), ("error", reason)])
    clinic.deliver()
    assert clinic.state("s") == ("off", reason)
    assert (clinic.waiting(), len(receiver.seen)) == (0, 4)
    receiver.status = 200
    clinic.subscribe("s", receiver.url)
    clinic.deliver()
    assert (clinic.state("s"), clinic.waiting(), len(receiver.seen)) == (("active", None), 0, 5)


def test_a_receiver_that_recovers(clinic: Notified, receiver: Receiver) -> None:
    """What could not be delivered arrives when the receiver is back."""
    clinic.subscribe("s", receiver.url)
    clinic.write(observation("o1"))
    clinic.events()
    receiver.status = 503
    for _ in range(deliver.SHOWN):
        clinic.deliver()
        clinic.due_now()
    assert clinic.state("s")[0] == "error"
    receiver.status = 204
    clinic.deliver()
    assert (clinic.state("s"), clinic.waiting(), len(receiver.seen)) == (("active", None), 0, 4)


def test_redirects_are_not_followed(clinic: Notified, receiver: Receiver) -> None:
    """A redirect is a failure: it could lead anywhere."""
    clinic.subscribe("s", receiver.url)
    clinic.write(observation("o1"))
    clinic.events()
    receiver.status = 307
    clinic.deliver()
    assert [one.path for one in receiver.seen] == ["/hook/Observation/o1"]
    assert clinic.waiting() == 1


def test_names_that_lead_inside(clinic: Notified, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A public name that resolves to an address of a private network ends the Subscription before any connection."""
    clinic.allow_private = False
    clinic.subscribe("s", f"https://hook.example.org:{receiver.port}/hook")
    assert clinic.state("s")[0] == "active"
    clinic.write(observation("o1"))
    clinic.events()
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", receiver.port))]
    monkeypatch.setattr("healix_fhir.kernel.pinned.socket.create_connection", lambda *_: pytest.fail("connected"))
    monkeypatch.setattr("healix_fhir.kernel.endpoint.socket.getaddrinfo", lambda *_args, **_keywords: found)
    clinic.deliver()
    assert clinic.state("s") == ("error", "the endpoint is in a private network")


def test_nobody_listens(clinic: Notified) -> None:
    """An endpoint that cannot be reached is a failure that tells nothing of this server's network."""
    clinic.subscribe("s", f"http://127.0.0.1:{closed_port()}/hook")
    clinic.write(observation("o1"))
    clinic.events()
    assert clinic.deliver() == 1
    assert clinic.waiting() == 1


def test_a_receiver_that_drips() -> None:
    """A receiver that answers without end is cut at the deadline."""
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                while True:
                    connection.sendall(b"H")
                    if connection.recv(1 << 16) == b"":
                        return
            except OSError:
                return

    thread = Thread(target=drip)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
    notice = send.Notice(url, (), b"{}", seconds=0.5)
    failure = send.send(notice, allow_private=True)
    thread.join()
    listener.close()
    assert failure is not None
    assert not failure.final


def test_a_slow_receiver_holds_up_no_other(clinic: Notified, receiver: Receiver) -> None:
    """What comes due while a receiver is slow to answer is sent beside it."""
    with receiving() as slow:
        slow.going.clear()
        clinic.subscribe("slow", slow.url)
        clinic.write(observation("o1"))
        clinic.events()
        sending = Thread(target=clinic.deliver)
        sending.start()
        until(lambda: bool(slow.seen))
        clinic.subscribe("quick", receiver.url)
        clinic.write(observation("o2"))
        clinic.events()
        until(lambda: bool(receiver.seen))
        assert sending.is_alive()
        slow.going.set()
        sending.join()


def until(holds: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = monotonic() + 60
    while not holds():
        assert monotonic() < deadline
        sleep(0.01)


def test_who_only_asks_whether_reads_nothing(clinic: Notified) -> None:
    """To number an event for many subscribers no body is read, which would be one for each of them."""
    clinic.write(observation("o1"))
    found = transaction(clinic.pool, lambda: seen([Asked(EVERYONE, "Observation", "o1", full=True)] * 2, bodies=False))
    assert [(one.version, one.body) for one in found.values()] == [(1, b"")] * 2


def test_a_receiver_may_think_as_long_as_it_has_asked_for(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that a Subscription asks for is that of the answer, not that of connecting."""
    monkeypatch.setattr(pinned, "TIMEOUT", 0.2)
    receiver.pause = 0.5
    assert send.send(send.Notice(receiver.url, (), b"{}", seconds=60), allow_private=True) is None


def test_notifications_are_audited(clinic: Notified, receiver: Receiver) -> None:
    """What leaves by notification is in the audit trail with patient, writer and outcome."""
    clinic.subscribe("s", receiver.url)
    clinic.write(observation("o1"))
    clinic.events()
    receiver.status = 500
    clinic.deliver()
    receiver.status = 200
    clinic.due_now()
    clinic.deliver()
    with clinic.pool.connection() as connection:
        rows = connection.execute(
            """SELECT action, outcome, patient, entity, query, client FROM audit_event
               WHERE subtype = 'notification' ORDER BY seq"""
        ).fetchall()
    expected = ("p1", "Observation/o1", "Subscription/s", "test")
    assert rows == [("R", 8, *expected), ("R", 0, *expected)]


@pytest.mark.parametrize("put_off", ["due", "leased"])
def test_clock_that_was_set_back(clinic: Notified, receiver: Receiver, put_off: str) -> None:
    """What came due, or was taken by a worker that died, while the clock was ahead does not wait until it is there
    again.
    """
    clinic.subscribe("s", receiver.url)
    clinic.deliver()
    clinic.write(observation("o1"))
    clinic.events()
    with clinic.pool.connection() as connection:
        connection.execute(f"UPDATE subscription SET {put_off} = now() + interval '30 min'")
    clinic.deliver()
    assert (len(receiver.seen), clinic.waiting()) == (1, 0)
    clinic.write(observation("o2"))
    clinic.events()
    with clinic.pool.connection() as connection:
        connection.execute(f"UPDATE subscription SET {put_off} = now() + interval '10 s'")
    assert clinic.deliver() == 0, "in its time"


def test_events_may_repeat(clinic: Notified, receiver: Receiver) -> None:
    """Handling an event again queues nothing twice."""
    clinic.subscribe("s", receiver.url)
    clinic.write(observation("o1"))
    with clinic.pool.connection() as connection:
        connection.execute("INSERT INTO outbox (topic, payload) SELECT topic, payload FROM outbox")
    clinic.events()
    assert clinic.waiting() == 1


def test_criteria_that_can_be_read_no_more(clinic: Notified, receiver: Receiver) -> None:
    """Criteria with a search parameter that is gone end their Subscription with the reason, and hold up no other."""
    for id_ in ("broken", "whole"):
        clinic.subscribe(id_, receiver.url)
    clinic.write(observation("o1"))
    clinic.events()
    with clinic.pool.connection() as connection:
        connection.execute(
            "UPDATE subscription SET triggers = convert_to(replace(convert_from(triggers, 'UTF8'), 'status=', 'gone='),"
            " 'UTF8') WHERE id = 'broken'"
        )
    clinic.deliver()
    status, error = clinic.state("broken")
    assert (status, "gone" in (error or ""), clinic.waiting()) == ("error", True, 0)
    clinic.write(observation("o2"))
    clinic.events()
    clinic.deliver()
    assert (clinic.state("whole"), len(receiver.seen)) == (("active", None), 2)


def test_a_deleted_resource_is_not_told(clinic: Notified, receiver: Receiver) -> None:
    """What is deleted before it was sent does not leave."""
    clinic.subscribe("s", receiver.url)
    clinic.write(observation("o1"))
    clinic.events()
    clinic.delete("Observation", "o1")
    clinic.deliver()
    assert (receiver.seen, clinic.waiting()) == ([], 0)


def test_activation_changes_the_status_only(clinic: Notified, receiver: Receiver) -> None:
    """The status change by the server keeps everything else of the Subscription."""
    clinic.subscribe("s", receiver.url, channel={"header": ["X-A: b"]})
    (hit,) = clinic.page("Subscription?_id=s").entries
    resource = json.loads(bytes(hit.body))
    assert resource["channel"]["header"] == ["X-A: b"]
    assert resource["meta"]["versionId"] == "2"
