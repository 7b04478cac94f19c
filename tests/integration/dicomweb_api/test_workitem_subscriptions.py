"""Subscriptions to workitems: their states, their locks, and how long items are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from dicomweb.workitem.retention import sweep, tell_of_restart
from healix_fhir.kernel.database import run
from tests.support.live_server import LiveServer
from tests.support.workitems import TRANSACTION, code, members, performed, said, state, workitem

ROOT = "1.2.826.0.1.3680043.10.1714.81"
GLOBAL = "1.2.840.10008.5.1.4.34.5"
FILTERED = f"{GLOBAL}.1"
EVENTS = (
    "SELECT w.uid, e.type, e.receivers FROM workitem_event e LEFT JOIN workitem w ON w.pk = e.workitem ORDER BY e.seq"
)


class Worklist:
    """A server's worklist, in the hands of someone who may do everything."""

    def __init__(self, server: LiveServer, client: httpx.Client) -> None:
        self.server, self.client = server, client

    def add(self, number: int, **attributes: Any) -> None:
        """Create an item."""
        plain = {"ScheduledStationNameCodeSequence": None} | attributes
        answer = self.client.post(f"/dicomweb/workitems?{ROOT}.{number}", json=workitem(**plain))
        assert answer.status_code == 201, answer.text

    def subscribe(self, uid: str, aet: str = "WATCH", query: str = "") -> httpx.Response:
        """Subscribe a title."""
        return self.client.post(f"/dicomweb/workitems/{uid}/subscribers/{aet}{query}")

    def unsubscribe(self, uid: str, aet: str = "WATCH") -> int:
        """Unsubscribe a title: the status."""
        return self.client.delete(f"/dicomweb/workitems/{uid}/subscribers/{aet}").status_code

    def finish(self, number: int) -> None:
        """Complete an item."""
        path = f"/dicomweb/workitems/{ROOT}.{number}"
        for answer in (
            self.client.put(f"{path}/state", json=state("IN PROGRESS")),
            self.client.post(f"{path}?{TRANSACTION}", json=performed()),
            self.client.put(f"{path}/state", json=state("COMPLETED")),
        ):
            assert answer.status_code == 200, answer.text

    def sql(self, statement: str, *params: Any) -> list[Any]:
        """Rows of a statement."""
        with psycopg.connect(self.server.settings.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement, params)
            return cursor.fetchall() if cursor.description else []

    def states(self, aet: str = "WATCH") -> dict[int, bool]:
        """To which items a title is subscribed, and whether with a lock."""
        rows = self.sql(
            "SELECT w.uid, s.locked FROM workitem_subscription s JOIN workitem w ON w.pk = s.workitem WHERE s.aet = %s",
            aet,
        )
        return {int(uid.rpartition(".")[2]): locked for uid, locked in rows}

    def events(self) -> list[tuple[int, int, list[str]]]:
        """The events so far: item, type, receivers; then none."""
        found = [(int(uid.rpartition(".")[2]) if uid else 0, kind, aets) for uid, kind, aets in self.sql(EVENTS)]
        self.sql("DELETE FROM workitem_event")
        return found


@pytest.fixture
def worklist(server: LiveServer) -> Iterator[Worklist]:
    """An empty worklist."""
    with server.client("system/Task.cruds", client="ris") as client:
        yield Worklist(server, client)


@pytest.mark.spec("PS3.18 11.10")
def test_a_subscription_to_an_item_is_created_and_told_the_state_at_once(worklist: Worklist) -> None:
    """201 with the address of the channel; with or without a lock, also over and over."""
    worklist.add(1)
    url = worklist.server.url.replace("http:", "ws:")
    for query, locked in (("", False), ("?deletionlock=true", True), ("?deletionlock=true", True), ("", False)):
        answer = worklist.subscribe(f"{ROOT}.1", query=query)
        assert (answer.status_code, answer.content) == (201, b"")
        assert answer.headers["content-location"] == f"{url}/dicomweb/subscribers/WATCH"
        assert "warning" not in answer.headers
        assert worklist.states() == {1: locked}
        assert worklist.events() == [(1, 1, ["WATCH"])]


@pytest.mark.spec("PS3.4 CC.2.3.1")
@pytest.mark.parametrize("lock", [False, True])
def test_a_global_subscription_is_to_all_items_and_those_to_come(worklist: Worklist, lock: bool) -> None:
    """With a lock the state of each is told at once; an item that the title is subscribed to already stays as it is."""
    worklist.add(1)
    worklist.add(2)
    worklist.subscribe(f"{ROOT}.2")
    worklist.events()
    assert worklist.subscribe(GLOBAL, query=f"?deletionlock={str(lock).lower()}").status_code == 201
    assert worklist.states() == {1: lock, 2: False}
    assert worklist.events() == ([(1, 1, ["WATCH"])] if lock else [])
    worklist.add(3)
    assert worklist.states() == {1: lock, 2: False, 3: lock}
    assert worklist.events() == [(3, 1, ["WATCH"])]


@pytest.mark.spec("PS3.4 CC.2.4.3")
def test_global_subscribers_are_told_whom_a_new_item_is_assigned_to(worklist: Worklist) -> None:
    """All of them, in one event each."""
    for aet in ("A", "B"):
        worklist.subscribe(GLOBAL, aet)
    worklist.add(1, ScheduledStationNameCodeSequence=[code("CT1")])
    assert worklist.events() == [(1, 1, ["A", "B"]), (1, 5, ["A", "B"])]


@pytest.mark.spec("PS3.4 CC.2.3.3.1")
@pytest.mark.parametrize(
    "query",
    [
        "filter=ScheduledStationNameCodeSequence.CodeValue=CT1,InputReadinessState=READY",
        "00404025.00080100=CT1&InputReadinessState=READY",
    ],
)
def test_a_filtered_subscription_is_to_what_matches(worklist: Worklist, query: str) -> None:
    """Of the items that are there and of those to come; in both forms of the address."""
    station = {"ScheduledStationNameCodeSequence": [code("CT1")]}
    worklist.add(1, **station)
    worklist.add(2)
    assert worklist.subscribe(FILTERED, query=f"?{query}").status_code == 201
    assert worklist.states() == {1: False}
    worklist.add(3, **station)
    worklist.add(4, InputReadinessState="INCOMPLETE", **station)
    worklist.add(5, ScheduledStationNameCodeSequence=[code("MR1")])
    assert worklist.states() == {1: False, 3: False}


def test_a_private_attribute_is_named_with_its_creator_in_a_list(worklist: Worklist) -> None:
    """The comma before it parts the filter."""
    query = "?filter=InputReadinessState=READY,0011xx01[ACME]=7"
    assert worklist.subscribe(FILTERED, query=query).status_code == 201
    ((kept,),) = worklist.sql("SELECT filter FROM workitem_subscriber")
    assert [name for name, _ in msgspec.json.decode(kept)] == ["InputReadinessState", "0011xx01[ACME]"]


@pytest.mark.parametrize(
    ("uid", "query"),
    [
        (FILTERED, ""),
        (FILTERED, "?filter=PatientID"),
        (FILTERED, "?filter=Nonsense=1"),
        (FILTERED, "?filter=PatientID="),
        (GLOBAL, "?filter=PatientID=1"),
        (f"{ROOT}.1", "?filter=PatientID=1"),
        (f"{ROOT}.1", "?deletionlock=maybe"),
    ],
)
def test_a_subscription_that_makes_no_sense_is_refused(worklist: Worklist, uid: str, query: str) -> None:
    """400, and nobody is subscribed."""
    worklist.add(1)
    assert worklist.subscribe(uid, query=query).status_code == 400
    assert worklist.subscribe(uid, "x" * 17).status_code == 400
    assert worklist.states() == {}


@pytest.mark.spec("PS3.18 11.11")
def test_unsubscribing_ends_one_subscription_or_all(worklist: Worklist) -> None:
    """200, and 404 where there is none; the global one ends those to items too."""
    for number in (1, 2, 3):
        worklist.add(number)
    worklist.subscribe(GLOBAL)
    assert worklist.unsubscribe(f"{ROOT}.1") == 200
    assert worklist.states() == {2: False, 3: False}
    assert worklist.unsubscribe(f"{ROOT}.1") == 404
    assert worklist.unsubscribe(f"{ROOT}.9") == 404
    assert worklist.unsubscribe(f"{ROOT}.1", "NOBODY") == 404
    assert worklist.unsubscribe(GLOBAL) == 200
    assert worklist.states() == {}
    worklist.add(4)
    assert worklist.states() == {}
    assert worklist.unsubscribe(GLOBAL) == 404
    assert worklist.unsubscribe(GLOBAL, "NOBODY") == 404


@pytest.mark.spec("PS3.18 11.12")
@pytest.mark.parametrize("uid", [GLOBAL, FILTERED])
def test_suspending_keeps_what_there_is(worklist: Worklist, uid: str) -> None:
    """New items are not subscribed to any more; 404 where nothing was to be suspended, 400 for one item."""
    worklist.add(1)
    path = f"/dicomweb/workitems/{uid}/subscribers/WATCH/suspend"
    assert worklist.client.post(path).status_code == 404
    worklist.subscribe(uid, query="?filter=PatientID=mrn-1" if uid == FILTERED else "")
    assert worklist.client.post(path).status_code == 200
    assert worklist.client.post(path).status_code == 404
    worklist.add(2)
    assert worklist.states() == {1: False}
    assert worklist.client.post(path.replace(uid, f"{ROOT}.1")).status_code == 400


@pytest.mark.spec("PS3.4 CC.2.4.3")
def test_subscribers_hear_of_every_change(worklist: Worklist) -> None:
    """Of states, progress and assignment, in order; nobody else does."""
    worklist.add(1)
    worklist.add(2)
    worklist.subscribe(f"{ROOT}.1")
    worklist.events()
    path = f"/dicomweb/workitems/{ROOT}.1"
    worklist.client.put(f"{path}/state", json=state("IN PROGRESS"))
    progress = members(ProcedureStepProgressInformationSequence=[members(ProcedureStepProgress=50)])
    worklist.client.post(f"{path}?{TRANSACTION}", json=progress)
    worklist.client.post(f"{path}?{TRANSACTION}", json=members(ScheduledStationNameCodeSequence=[code("X")]))
    worklist.client.post(f"{path}?{TRANSACTION}", json=members(InputReadinessState="INCOMPLETE"))
    assert worklist.client.post(f"{path}/cancelrequest").status_code == 202
    worklist.client.put(f"{path}/state", json=state("CANCELED"))
    worklist.client.post(f"/dicomweb/workitems/{ROOT}.2/cancelrequest")
    assert worklist.events() == [(1, kind, ["WATCH"]) for kind in (1, 3, 5, 1, 2, 1)]


@pytest.mark.spec("PS3.4 CC.2.2.3")
def test_a_scheduled_item_goes_through_progress_to_be_canceled(worklist: Worklist) -> None:
    """Two reports of its state."""
    worklist.add(1)
    worklist.subscribe(f"{ROOT}.1")
    worklist.events()
    worklist.client.post(f"/dicomweb/workitems/{ROOT}.1/cancelrequest")
    reports = worklist.sql("SELECT convert_from(report, 'UTF8')::json #>> '{00741000,Value,0}' FROM workitem_event")
    assert [state for (state,) in reports] == ["IN PROGRESS", "CANCELED"]


def test_a_request_for_cancellation_takes_what_belongs_to_it_only(worklist: Worklist) -> None:
    """Anything else is refused by name."""
    worklist.add(1)
    answer = worklist.client.post(f"/dicomweb/workitems/{ROOT}.1/cancelrequest", json=members(PatientID="x"))
    assert answer.status_code == 400
    assert "PatientID" in answer.text


@pytest.mark.spec("PS3.4 CC.2.3.3")
def test_a_title_belongs_to_whom_it_was_used_by_first(worklist: Worklist) -> None:
    """Others are refused; who sees the whole worklist may subscribe it."""
    worklist.add(1)
    worklist.sql("INSERT INTO workitem_subscriber (aet, client, account) VALUES ('THEIRS', 'app', 'someone')")
    worklist.sql("UPDATE workitem SET pat = (SELECT pat FROM patient_key WHERE id = 'own')")
    with worklist.server.client("patient/Task.rs", patient="own", client="app") as app:
        worklist.sql("UPDATE workitem SET pat = (SELECT pat FROM patient_key WHERE id = 'own')")
        path = f"/dicomweb/workitems/{ROOT}.1/subscribers"
        assert app.post(f"{path}/THEIRS").status_code == 403
        assert app.delete(f"{path}/THEIRS").status_code == 403
        assert said(app.post(f"{path}/MINE?deletionlock=true")) == "Deletion Lock not granted."
        assert worklist.states("MINE") == {1: False}
        locking = app.post(f"/dicomweb/workitems/{GLOBAL}/subscribers/MINE?deletionlock=true")
        assert said(locking) == "Deletion Lock not granted."
    assert worklist.subscribe(f"{ROOT}.1", "THEIRS", "?deletionlock=true").status_code == 201
    assert worklist.states("THEIRS") == {1: True}


def test_the_title_of_a_peer_is_the_peers(worklist: Worklist) -> None:
    """Who used it before can no longer end its subscriptions."""
    worklist.add(1)
    with worklist.server.client("patient/Task.rs", patient="own", client="app") as app:
        worklist.sql("UPDATE workitem SET pat = (SELECT pat FROM patient_key WHERE id = 'own')")
        path = f"/dicomweb/workitems/{ROOT}.1/subscribers/STATION"
        assert app.post(path).status_code == 201
        worklist.sql("INSERT INTO dimse_peer (aet, host, port) VALUES ('STATION', '127.0.0.1', 104)")
        assert app.delete(path).status_code == 403
    assert worklist.states("STATION") == {1: False}
    assert worklist.unsubscribe(f"{ROOT}.1", "STATION") == 200


@pytest.mark.spec("PS3.4 CC.2.4.3")
def test_what_a_peer_has_still_to_be_told_of_is_kept(worklist: Worklist) -> None:
    """An item that has ended long ago, too."""
    worklist.sql("INSERT INTO dimse_peer (aet, host, port) VALUES ('STATION', '127.0.0.1', 1)")
    worklist.add(1)
    assert worklist.subscribe(f"{ROOT}.1", "STATION").status_code == 201
    worklist.finish(1)
    worklist.sql("UPDATE workitem SET updated = now() - interval '31 days'")
    with psycopg.connect(worklist.server.settings.database_url, autocommit=True) as connection:
        assert run(connection, sweep(30)) == 0
        worklist.sql("UPDATE errand SET ended = now()")
        assert run(connection, sweep(30)) == 1


@pytest.mark.spec("PS3.4 CC.2.1.3")
def test_what_has_ended_is_kept_for_its_time_and_while_it_is_locked(worklist: Worklist) -> None:
    """Then it is gone (410), is found no more, and its UID is not used again."""
    for number in (1, 2, 3):
        worklist.add(number)
    worklist.finish(1)
    worklist.finish(2)
    worklist.subscribe(f"{ROOT}.2", query="?deletionlock=true")

    def swept(days: int) -> int:
        with psycopg.connect(worklist.server.settings.database_url, autocommit=True) as connection:
            return run(connection, sweep(days))

    assert swept(30) == 0
    worklist.sql("UPDATE workitem SET updated = now() - interval '31 days'")
    assert swept(0) == 0
    assert (swept(30), swept(30)) == (1, 0)
    statuses = [worklist.client.get(f"/dicomweb/workitems/{ROOT}.{number}").status_code for number in (1, 2, 3)]
    assert statuses == [410, 200, 200]
    assert len(worklist.client.get("/dicomweb/workitems").json()) == 2
    assert worklist.client.post(f"/dicomweb/workitems?{ROOT}.1", json=workitem()).status_code == 409
    assert worklist.unsubscribe(f"{ROOT}.2") == 200
    assert swept(30) == 1


@pytest.mark.spec("PS3.4 CC.2.4.3")
def test_subscribers_are_told_of_a_restart(worklist: Worklist) -> None:
    """All that are subscribed to anything, and nobody else."""
    worklist.add(1)
    worklist.subscribe(f"{ROOT}.1", "ITEM")
    worklist.subscribe(GLOBAL, "ALL")
    worklist.subscribe(GLOBAL, "ENDED")
    worklist.unsubscribe(GLOBAL, "ENDED")
    worklist.events()
    with psycopg.connect(worklist.server.settings.database_url, autocommit=True) as connection:
        run(connection, tell_of_restart())
    assert worklist.events() == [(0, 4, ["ALL", "ITEM"])]
