"""Subscribers to workitems that are told over DIMSE, whoever changed what; and what they miss while they are away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pynetdicom import AE

from dicomweb.dimse import peers
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.peers import Right
from dicomweb.workitem.retention import sweep, tell_of_restart
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.settings import Settings
from tests.bench.dimse_servers import free_port
from tests.support.channel import channel, heard, short
from tests.support.dimse_service import serving_dimse
from tests.support.live_server import LiveServer, live_server
from tests.support.ups import (
    CANCEL,
    CHANGE_STATE,
    EVENT,
    FILTERED,
    ITEM,
    PUSH,
    SUSPEND,
    UNSUBSCRIBE,
    WORKLIST,
    Errands,
    Scu,
    Watching,
    sql,
    watching,
)
from tests.support.workitems import TRANSACTION, code, members, state, workitem

Pool = ConnectionPool[Connection[Row]]
LIMITS = Limits(drain=2)


@dataclass
class Ward:
    """A running service, a caller of it, the peer WATCHER that listens on `listening`, and the worker's errands."""

    scu: Scu
    pool: Pool
    listening: int
    errands: Errands

    def sql(self, statement: str, *params: Any) -> list[Row]:
        """Rows of a statement."""
        return sql(self.pool, statement, *params)

    def told(self, watcher: Watching) -> list[tuple[int, str, str | None]]:
        """What the watcher is told by the errands that are due."""
        self.errands.work()
        return watcher.short()

    def hurry(self) -> None:
        """Let what waits be due."""
        self.sql("UPDATE errand SET due = now() WHERE ended IS NULL")
        self.sql("DELETE FROM errand_away")

    def state(self) -> list[Row]:
        """Of each errand: whether it has ended, whether it was given up, and the reason."""
        return self.sql("SELECT ended IS NOT NULL, given_up, reason FROM errand ORDER BY seq")


@pytest.fixture
def ward(pool: Pool, database_url: str, tmp_path: Path) -> Iterator[Ward]:
    """With one item on the worklist."""
    port = free_port()
    with serving_dimse(Settings(data_dir=tmp_path / "dimse"), pool, LIMITS) as dimse:
        transaction(pool, lambda: peers.add("WATCHER", "127.0.0.1", port))
        scu = Scu(dimse)
        assert scu.create(workitem(ScheduledStationNameCodeSequence=None)).Status == 0
        yield Ward(scu, pool, port, Errands(database_url))


@pytest.mark.spec("PS3.4 Table CC.2.4-1")
def test_every_event_is_reported(ward: Ward) -> None:
    """In their order, with their attributes, in the Event class's context, as of the Push class."""
    scu = ward.scu
    with watching(ward.listening) as watcher:
        assert scu.subscribe() == 0
        assert watcher.told == [], "not before its errand is done"
        assert ward.told(watcher) == [(1, ITEM, "SCHEDULED")]
        scu.set(members(ScheduledStationNameCodeSequence=[code("SEG7")]))
        scu.set(members(InputReadinessState="UNAVAILABLE"))
        scu.claim()
        progress = [members(ProcedureStepProgress="50")]
        scu.set(members(ProcedureStepProgressInformationSequence=progress, TransactionUID=TRANSACTION))
        scu.act(CANCEL, members(ReasonForCancellation="Zu spät", SpecificCharacterSet="ISO_IR 192"))
        ward.errands.work()
        kinds = [(one.event, one.item, one.sop_class, one.context) for one in watcher.told]
        assert kinds == [(number, ITEM, PUSH, EVENT) for number in (5, 1, 1, 3, 2)]
        assigned, ready, claimed, half, asked = (one.information for one in watcher.told)
        assert assigned.ScheduledStationNameCodeSequence[0].CodeValue == "SEG7"
        assert (ready.ProcedureStepState, ready.InputReadinessState) == ("SCHEDULED", "UNAVAILABLE")
        assert claimed.ProcedureStepState == "IN PROGRESS"
        assert half.ProcedureStepProgressInformationSequence[0].ProcedureStepProgress == 50
        assert (asked.RequestingAE, asked.ReasonForCancellation) == ("MODALITY", "Zu spät")
    assert ward.state() == [(True, False, None)]
    rows = ward.sql("SELECT action, outcome, client, entity, query FROM audit_event WHERE subtype = 'workitem-event'")
    assert rows == [("R", 0, "WATCHER", ITEM, "WATCHER")] * 2


@pytest.mark.spec("PS3.4 Table CC.2.3-2")
def test_global_subscriptions_tell_of_new_items(ward: Ward) -> None:
    """With a lock of those that are there too; until it is suspended; an unsubscribed title hears of nothing."""
    with watching(ward.listening) as watcher:
        assert ward.scu.subscribe(WORKLIST, lock="TRUE") == 0
        assert ward.told(watcher) == [(1, ITEM, "SCHEDULED")]
        ward.scu.create(workitem(), f"{ITEM}.2")
        assert ward.told(watcher) == [(1, f"{ITEM}.2", "SCHEDULED"), (5, f"{ITEM}.2", None)]
        receiver = members(ReceivingAE="WATCHER")
        assert ward.scu.act(SUSPEND, receiver, WORKLIST) == 0
        ward.scu.create(workitem(), f"{ITEM}.3")
        ward.scu.claim(f"{ITEM}.2")
        assert ward.told(watcher) == [(1, f"{ITEM}.2", "IN PROGRESS")]
        assert ward.scu.act(UNSUBSCRIBE, receiver, WORKLIST) == 0
        ward.scu.claim()
        assert ward.told(watcher) == []


@pytest.mark.spec("PS3.4 CC.2.3.3.1")
def test_filtered_subscriptions_tell_of_what_matches(ward: Ward) -> None:
    """Keys inside sequences and names too."""
    with watching(ward.listening) as watcher:
        stations = [members(CodeValue="SEG2")]
        assert ward.scu.subscribe(FILTERED, ScheduledStationNameCodeSequence=stations, PatientName="Zeit*") == 0
        for number, (station, name) in enumerate((("SEG2", "Müller"), ("SEG1", "Zeit"), ("SEG2", "Zeit^Zoë")), 2):
            given = workitem(ScheduledStationNameCodeSequence=[code(station)], PatientName=name)
            assert ward.scu.create(given, f"{ITEM}.{number}").Status == 0
        assert [item for _, item, _ in ward.told(watcher)] == [f"{ITEM}.4"] * 2


def test_who_was_away_is_told_of_everything_when_it_is_back(ward: Ward) -> None:
    """Hours later too: what a peer has not heard is kept for it, and told once and in order."""
    ward.scu.subscribe()
    ward.errands.work()
    ward.scu.claim()
    ((ended, _, reason),) = ward.state()
    assert (ended, "cannot be reached" in reason) == (False, True)
    ward.sql("UPDATE workitem_event SET made = now() - interval '20 hours'")
    transaction(ward.pool, lambda: sweep(0))
    ward.hurry()
    with watching(ward.listening) as watcher:
        assert ward.told(watcher) == [(1, ITEM, "SCHEDULED"), (1, ITEM, "IN PROGRESS")]
        assert ward.told(watcher) == []
    transaction(ward.pool, lambda: sweep(0))
    assert ward.sql("SELECT count(*) FROM workitem_event") == [(0,)]


def test_a_report_that_is_refused_holds_up_no_other(ward: Ward) -> None:
    """It is named for the operator and in the trail; what is out of resources is told again from there."""
    ward.scu.subscribe()
    ward.scu.claim()
    with watching(ward.listening) as watcher:
        watcher.statuses = [0x0110, 0x0213, 0x0213]
        ward.errands.work()
        assert watcher.short() == []
        ((ended, _, reason),) = ward.state()
        assert (ended, "0213H" in reason) == (False, True)
        ward.hurry()
        assert ward.told(watcher) == [(1, ITEM, "IN PROGRESS")]
    outcomes = ward.sql("SELECT outcome FROM audit_event WHERE subtype = 'workitem-event' ORDER BY seq")
    assert outcomes == [(4,), (0,)]


def test_a_warning_is_no_refusal(ward: Ward) -> None:
    """0107H says that some attribute is not known there: the report was taken."""
    ward.scu.subscribe()
    with watching(ward.listening) as watcher:
        watcher.statuses = [0x0107]
        ward.errands.work()
    assert ward.state() == [(True, False, None)]


def test_who_may_no_longer_use_the_worklist_is_told_nothing(ward: Ward) -> None:
    """Neither a peer whose right was taken, nor one that is forgotten."""
    ward.scu.subscribe()
    transaction(ward.pool, lambda: peers.add("WATCHER", "127.0.0.1", ward.listening, [Right.STORE]))
    with watching(ward.listening) as watcher:
        assert ward.told(watcher) == []
        ((ended, given_up, reason),) = ward.state()
        assert (ended, given_up, "right to ups" in reason) == (True, True, True)
        transaction(ward.pool, lambda: peers.remove("WATCHER"))
        ward.scu.claim()
        assert ward.told(watcher) == []


def test_a_peer_without_the_event_class_is_asked_again_later(ward: Ward) -> None:
    """What it does not accept is told to the operator, and waits."""
    entity = AE("WATCHER")
    entity.add_supported_context("1.2.840.10008.1.1")
    server = entity.start_server(("127.0.0.1", ward.listening), block=False)
    assert server is not None
    ward.scu.subscribe()
    ward.errands.work()
    server.shutdown()
    ((ended, _, reason),) = ward.state()
    assert (ended, "does not accept the SOP class" in reason) == (False, True)


@pytest.mark.spec("PS3.4 CC.2.4.3")
def test_a_restart_is_reported(ward: Ward) -> None:
    """As of the worklist's own instance."""
    ward.scu.subscribe()
    with watching(ward.listening) as watcher:
        ward.errands.work()
        watcher.short()
        transaction(ward.pool, tell_of_restart)
        ward.errands.work()
        (report,) = watcher.told
    assert (report.event, report.item, report.information.SCPStatus) == (4, WORKLIST, "RESTARTED")


def test_many_events_are_told_on_one_association_after_the_other(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice at a time, so that others have their turn."""
    monkeypatch.setattr("dicomweb.workitem.delivery.AT_ONCE", 2)
    monkeypatch.setattr("dicomweb.dimse.workitem_report.AT_ONCE", 2)
    for number in range(2, 6):
        ward.scu.create(workitem(), f"{ITEM}.{number}")
    assert ward.scu.subscribe(WORKLIST, lock="TRUE") == 0
    with watching(ward.listening) as watcher:
        assert ward.errands.work() == 3
        assert [item for _, item, _ in watcher.short()] == [ITEM, *(f"{ITEM}.{number}" for number in range(2, 6))]


@dataclass
class Both:
    """The ward with a web server over the same worklist."""

    ward: Ward
    web: LiveServer

    def http(self, method: str, path: str, given: Any = None, scope: str = "system/Task.cruds") -> int:
        """The status of a request of an app."""
        with self.web.client(scope, client="ris") as client:
            return client.request(method, f"/dicomweb/workitems{path}", json=given).status_code


@pytest.fixture
def both(ward: Ward, database_url: str, tmp_path: Path) -> Iterator[Both]:
    """HTTP and DIMSE."""
    with live_server(database_url, tmp_path / "web") as web:
        yield Both(ward, web)


def test_one_worklist_over_http_and_dimse(both: Both) -> None:
    """What one side creates the other sees, claims and completes; the Transaction UID holds for both."""
    scu, path = both.ward.scu, f"/{ITEM}.2"
    assert both.http("GET", f"/{ITEM}") == 200
    assert both.http("POST", f"?{ITEM}.2", workitem()) == 201
    assert scu.claim(f"{ITEM}.2") == 0
    assert both.http("PUT", f"{path}/state", state("CANCELED", f"{TRANSACTION}.9")) == 400
    assert both.http("PUT", f"{path}/state", state("CANCELED")) == 200
    assert scu.act(CHANGE_STATE, state("CANCELED"), f"{ITEM}.2") == 0xB304
    assert both.http("PUT", f"/{ITEM}/state", state("IN PROGRESS")) == 200
    assert scu.set(members(ProcedureStepLabel="Liver")) == 0xC301
    assert scu.set(members(ProcedureStepLabel="Liver", TransactionUID=TRANSACTION)) == 0


@pytest.mark.spec("PS3.4 CC.2.3.3")
def test_subscribers_hear_of_both_sides(both: Both) -> None:
    """A peer of what is changed over HTTP, a channel of what is changed over DIMSE; a title that is both, twice."""
    scu, ward = both.ward.scu, both.ward
    with watching(ward.listening) as watcher:
        assert scu.subscribe() == 0
        assert both.http("POST", f"/{ITEM}/subscribers/APP") == 201
        token = both.web.token("system/Task.cruds", client="ris")
        with channel(both.web, token, "APP") as app, channel(both.web, token, "WATCHER") as same:
            assert short(heard(app)) == ("state", ITEM, "SCHEDULED")
            assert short(heard(same)) == ("state", ITEM, "SCHEDULED")
            assert ward.told(watcher) == [(1, ITEM, "SCHEDULED")]
            assert both.http("PUT", f"/{ITEM}/state", state("IN PROGRESS")) == 200
            assert ward.told(watcher) == [(1, ITEM, "IN PROGRESS")]
            assert [short(heard(one)) for one in (app, same)] == [("state", ITEM, "IN PROGRESS")] * 2
            assert scu.act(CHANGE_STATE, state("CANCELED")) == 0
            assert [short(heard(one)) for one in (app, same)] == [("state", ITEM, "CANCELED")] * 2
            assert ward.told(watcher) == [(1, ITEM, "CANCELED")]
    assert ward.sql("SELECT receiver FROM errand") == [("WATCHER",)], "APP is no peer"


def test_a_system_subscribes_a_peer_over_http(both: Both) -> None:
    """On its behalf: it is told over DIMSE."""
    assert both.http("POST", f"/{ITEM}/subscribers/WATCHER") == 201
    with watching(both.ward.listening) as watcher:
        assert both.ward.told(watcher) == [(1, ITEM, "SCHEDULED")]


def test_a_peer_subscribes_an_app_over_dimse(both: Both) -> None:
    """One that has used its title before."""
    assert both.ward.scu.subscribe(aet="APP") == 0xC308
    token = both.web.token("system/Task.cruds", client="ris")
    with channel(both.web, token, "APP") as app:
        assert both.ward.scu.subscribe(aet="APP") == 0
        assert short(heard(app)) == ("state", ITEM, "SCHEDULED")


def test_the_title_of_a_peer_is_its_own(both: Both) -> None:
    """An app of a person cannot have a peer called, or listen in its name; it is as any title of somebody else."""
    with both.web.client("patient/Task.rs", client="app", patient="p1") as client:
        for aet, status in (("WATCHER", 403), ("OTHER", 201)):
            assert client.post(f"/dicomweb/workitems/{WORKLIST}/subscribers/{aet}").status_code == status
