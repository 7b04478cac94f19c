"""UPS-RS over HTTP: creating workitems, reading and changing them, and bringing them through their states."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from dicomweb.dicomjson.reading import checked, read_native
from dicomweb.dicomjson.xml import native_model
from tests.support.live_server import LiveServer
from tests.support.workitems import TRANSACTION, Members, members, performed, said, state, workitem

UID = "1.2.826.0.1.3680043.10.1714.77.10"
ITEM = f"/dicomweb/workitems/{UID}"
JSON = {"Content-Type": "application/dicom+json"}
OTHER = f"{TRANSACTION}.9"
INCONSISTENT = "The submitted request is inconsistent with the {}."
OF_UPS = INCONSISTENT.format("state of the UPS Instance")
OF_WORKITEM = INCONSISTENT.format("current state of the Workitem")


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A workflow manager."""
    with server.client("system/Task.cruds", client="ris") as opened:
        yield opened


def add(client: httpx.Client, uid: str = UID, **attributes: Any) -> httpx.Response:
    """Create a workitem."""
    return client.post(f"/dicomweb/workitems?{uid}", json=workitem(**attributes), headers=JSON)


def content(client: httpx.Client, uid: str = UID) -> Members:
    """What a workitem says."""
    answer = client.get(f"/dicomweb/workitems/{uid}")
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()
    return dict(found)


def value(client: httpx.Client, keyword: str) -> Any:
    """The first value of an attribute of the workitem."""
    return content(client)[next(iter(members(**{keyword: None})))].get("Value", [None])[0]


def claim(client: httpx.Client, transaction: str = TRANSACTION) -> httpx.Response:
    """Take the workitem."""
    return client.put(f"{ITEM}/state", json=state("IN PROGRESS", transaction))


def change(client: httpx.Client, changes: Members, query: str = "") -> httpx.Response:
    """Update the workitem."""
    return client.post(f"{ITEM}{query}", json=[changes], headers=JSON)


@pytest.mark.spec("PS3.18 11.4")
def test_a_workitem_is_created_under_the_uid_of_the_address(client: httpx.Client, server: LiveServer) -> None:
    """201 with its address in Location; nothing was modified, so that nothing is warned of."""
    answer = add(client)
    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["location"] == f"{server.url}{ITEM}"
    assert "warning" not in answer.headers
    assert value(client, "ProcedureStepState") == "SCHEDULED"
    assert value(client, "SOPInstanceUID") == UID


@pytest.mark.spec("PS3.18 11.4.1.1")
@pytest.mark.parametrize(
    ("query", "attributes"),
    [
        (f"?{UID}", {}),
        (f"?workitem={UID}", {}),
        (f"?AffectedSOPInstanceUID={UID}", {}),
        ("", {"SOPInstanceUID": UID}),
        ("", {"AffectedSOPInstanceUID": UID}),
        (f"?{UID}&accept=application/dicom%2Bjson", {"SOPInstanceUID": UID}),
    ],
)
def test_the_uid_is_in_the_address_or_in_the_data_set(
    client: httpx.Client, query: str, attributes: dict[str, Any]
) -> None:
    """All forms in which clients name it."""
    answer = client.post(f"/dicomweb/workitems{query}", json=workitem(**attributes), headers=JSON)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(ITEM)


def test_a_workitem_without_a_uid_gets_one(client: httpx.Client) -> None:
    """As N-CREATE has it."""
    answers = [client.post("/dicomweb/workitems", json=workitem(), headers=JSON) for _ in range(2)]
    uids = {answer.headers["location"].rpartition("/")[2] for answer in answers}
    assert len(uids) == 2
    assert all(uid.startswith("2.25.") and client.get(f"/dicomweb/workitems/{uid}").is_success for uid in uids)


@pytest.mark.spec("PS3.18 11.4.3.2")
def test_what_was_added_is_warned_of(client: httpx.Client) -> None:
    """A missing attribute that may be empty is added."""
    given = workitem()
    del given["00380010"]
    answer = client.post(f"/dicomweb/workitems?{UID}", json=given, headers=JSON)
    assert answer.status_code == 201
    assert said(answer) == "The Workitem was created with modifications."
    assert content(client)["00380010"] == {"vr": "LO"}


@pytest.mark.spec("PS3.18 11.4.3.1")
def test_a_workitem_is_created_once(client: httpx.Client) -> None:
    """The second one is refused with 409, and the first one stays."""
    assert add(client).status_code == 201
    assert add(client, ProcedureStepLabel="another").status_code == 409
    assert value(client, "ProcedureStepLabel") == "Segment the liver"


@pytest.mark.spec("PS3.18 11.4.3.1")
@pytest.mark.parametrize(
    ("query", "changes"),
    [
        (UID, {"ProcedureStepLabel": None}),
        (UID, {"ProcedureStepState": "COMPLETED"}),
        (UID, {"TransactionUID": TRANSACTION}),
        (UID, {"SOPInstanceUID": "1.2.3"}),
        ("1.02", {}),
        (f"{UID}&1.2.3", {}),
    ],
)
def test_what_is_no_new_workitem_is_refused(client: httpx.Client, query: str, changes: dict[str, Any]) -> None:
    """400, and nothing is stored."""
    answer = client.post(f"/dicomweb/workitems?{query}", json=workitem(**changes), headers=JSON)
    assert answer.status_code == 400, answer.text
    assert client.get("/dicomweb/workitems").json() == []


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", b"{}", 415),
        ("application/dicom", b"", 415),
        ('multipart/related; type="application/dicom"; boundary=x', b"", 415),
        ("application/dicom+json", b"{", 400),
        ("application/dicom+xml", b"<a/>", 400),
        ('multipart/related; type="application/dicom+xml"; boundary=x', b"--x--", 400),
        ("application/dicom+json", b" " * ((4 << 20) + 1), 413),
    ],
)
def test_other_bodies_are_refused(client: httpx.Client, kind: str, body: bytes, status: int) -> None:
    """By their type, their form or their size."""
    for method, path in (("POST", "/dicomweb/workitems"), ("POST", ITEM), ("PUT", f"{ITEM}/state")):
        answer = client.request(method, path, content=body, headers={"Content-Type": kind})
        assert answer.status_code == status, (path, answer.text)


@pytest.mark.spec("PS3.18 11.1.3")
@pytest.mark.parametrize("multipart", [True, False])
def test_workitems_come_and_go_as_xml(client: httpx.Client, multipart: bool) -> None:
    """A document of the Native DICOM Model, alone or as the one part of a multipart."""
    xml = native_model(msgspec.json.encode(checked(workitem())))
    kind = "application/dicom+xml"
    if multipart:
        xml = b"--b\r\nContent-Type: application/dicom+xml\r\n\r\n" + xml + b"\r\n--b--"
        kind = f'multipart/related; type="{kind}"; boundary=b'
    answer = client.post(f"/dicomweb/workitems?{UID}", content=xml, headers={"Content-Type": kind})
    assert answer.status_code == 201, answer.text
    got = client.get(ITEM, headers={"Accept": "application/dicom+xml"})
    assert got.headers["content-type"] == "application/dicom+xml"
    assert read_native(got.content) == content(client)
    assert content(client)["00100010"]["Value"] == [{"Alphabetic": "Müller^Änne"}]


@pytest.mark.spec("PS3.18 11.5.3")
def test_a_missing_workitem_is_not_found(client: httpx.Client) -> None:
    """404 for every request about it; 400 where it is no UID."""
    for method, path, body in (
        ("GET", ITEM, None),
        ("POST", ITEM, members(ProcedureStepLabel="x")),
        ("PUT", f"{ITEM}/state", state("IN PROGRESS")),
        ("POST", f"{ITEM}/cancelrequest", {}),
    ):
        assert client.request(method, path, json=body).status_code == 404
        assert client.request(method, path.replace(UID, "x"), json=body).status_code == 400


@pytest.mark.spec("PS3.18 11.5.2")
@pytest.mark.spec("PS3.4 CC.2.7")
def test_the_transaction_uid_is_never_told(client: httpx.Client) -> None:
    """Not by retrieval, not by search, in no answer: it is the lock of who has claimed the item."""
    add(client)
    answers = [
        claim(client),
        change(client, performed(), f"?{TRANSACTION}"),
        client.get(ITEM),
        client.get("/dicomweb/workitems?includefield=all"),
        client.get("/dicomweb/workitems?includefield=TransactionUID"),
        client.get(f"/dicomweb/workitems?TransactionUID={TRANSACTION}"),
        claim(client, OTHER),
        client.put(f"{ITEM}/state", json=state("COMPLETED")),
        client.get(ITEM),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 200, 400, 200, 200]
    assert all(TRANSACTION not in answer.text + str(answer.headers) for answer in answers)


@pytest.mark.spec("PS3.18 11.6")
def test_a_scheduled_workitem_is_changed_by_anyone_who_may(client: httpx.Client) -> None:
    """Without a Transaction UID; the moment of the change is recorded."""
    add(client)
    before = value(client, "ScheduledProcedureStepModificationDateTime")
    assert (
        change(client, members(ProcedureStepLabel="new", CommentsOnTheScheduledProcedureStep="hm")).status_code == 200
    )
    assert value(client, "ProcedureStepLabel") == "new"
    assert value(client, "CommentsOnTheScheduledProcedureStep") == "hm"
    assert value(client, "ScheduledProcedureStepModificationDateTime") > before
    assert value(client, "ProcedureStepState") == "SCHEDULED"


@pytest.mark.spec("PS3.4 CC.2.6.2")
def test_a_change_that_is_repeated_has_no_further_effect(client: httpx.Client) -> None:
    """Updates are idempotent: the second one changes not even the moment of the last change."""
    add(client)
    for _ in range(2):
        assert change(client, members(ProcedureStepLabel="new")).status_code == 200
        stamps = value(client, "ScheduledProcedureStepModificationDateTime")
    assert change(client, content(client)).status_code == 200
    assert value(client, "ScheduledProcedureStepModificationDateTime") == stamps


@pytest.mark.spec("PS3.18 11.6.3")
def test_a_workitem_in_progress_is_changed_by_who_has_claimed_it(client: httpx.Client) -> None:
    """With the Transaction UID in the address or in the data set; without the right one nothing changes."""
    add(client)
    label = members(ProcedureStepLabel="new")
    early = change(client, label, f"?{TRANSACTION}")
    assert (early.status_code, said(early)) == (
        409, "The target URI did not reference a claimed Workitem.",
    )  # fmt: skip
    claim(client)
    for query, given in (("", label), (f"?{OTHER}", label), ("", label | members(TransactionUID=OTHER))):
        refused = change(client, given, query)
        assert (refused.status_code, said(refused)) == (400, OF_WORKITEM)
    assert change(client, label | members(TransactionUID=OTHER), f"?{TRANSACTION}").status_code == 400
    assert value(client, "ProcedureStepLabel") == "Segment the liver"
    for number, (query, given) in enumerate(
        ((f"?{TRANSACTION}", {}), (f"?transaction-uid={TRANSACTION}", {}), ("", members(TransactionUID=TRANSACTION)))
    ):
        answer = change(client, given | members(ProcedureStepLabel=f"label {number}"), query)
        assert answer.status_code == 200, answer.text
        assert value(client, "ProcedureStepLabel") == f"label {number}"


@pytest.mark.spec("PS3.18 11.6.2")
@pytest.mark.parametrize("final", ["COMPLETED", "CANCELED"])
def test_a_workitem_in_a_final_state_is_not_changed(client: httpx.Client, final: str) -> None:
    """400, whoever asks."""
    add(client)
    claim(client)
    change(client, performed(), f"?{TRANSACTION}")
    assert client.put(f"{ITEM}/state", json=state(final)).status_code == 200
    refused = change(client, members(ProcedureStepLabel="new"), f"?{TRANSACTION}")
    assert (refused.status_code, said(refused)) == (400, OF_WORKITEM)


@pytest.mark.spec("PS3.18 11.7")
def test_a_workitem_goes_through_its_states(client: httpx.Client) -> None:
    """Claimed, completed once it tells what was done, and then warned of when it is completed again."""
    add(client)
    refused = client.put(f"{ITEM}/state", json=state("COMPLETED"))
    assert (refused.status_code, said(refused)) == (409, OF_UPS)
    claimed = claim(client)
    assert (claimed.status_code, claimed.content) == (200, b"")
    early = client.put(f"{ITEM}/state", json=state("COMPLETED"))
    assert (early.status_code, said(early)) == (409, OF_UPS)
    assert "UnifiedProcedureStepPerformedProcedureSequence" in early.text
    assert change(client, performed(), f"?{TRANSACTION}").status_code == 200
    assert client.put(f"{ITEM}/state", json=state("COMPLETED")).status_code == 200
    assert value(client, "ProcedureStepState") == "COMPLETED"
    again = client.put(f"{ITEM}/state", json=state("COMPLETED"))
    assert again.status_code == 200
    assert said(again) == "The UPS is already in the requested state of COMPLETED."
    late = client.put(f"{ITEM}/state", json=state("CANCELED"))
    assert (late.status_code, said(late)) == (409, OF_UPS)


@pytest.mark.spec("PS3.18 11.7.3.2")
@pytest.mark.parametrize(
    ("body", "warning"),
    [
        (state("COMPLETED", None), "The Transaction UID is missing."),
        (state("COMPLETED", OTHER), "The Transaction UID is incorrect."),
        (state("IN PROGRESS", OTHER), "The Transaction UID is incorrect."),
        (state("SCHEDULED"), OF_UPS),
        (state("DONE"), OF_UPS),
        (state("COMPLETED", "1.02"), OF_UPS),
        ({}, OF_UPS),
    ],
)
def test_a_change_of_state_with_the_wrong_words_is_refused(client: httpx.Client, body: Members, warning: str) -> None:
    """400, with the one of the standard's warnings that says it best."""
    add(client)
    claim(client)
    refused = client.put(f"{ITEM}/state", json=body)
    assert (refused.status_code, said(refused)) == (400, warning)
    assert value(client, "ProcedureStepState") == "IN PROGRESS"


@pytest.mark.spec("PS3.4 CC.2.5.1.3.2")
def test_a_claimed_workitem_is_canceled_without_further_ado(client: httpx.Client) -> None:
    """The server tells when and, where nobody says why, that the reason is not specified."""
    add(client)
    claim(client)
    assert client.put(f"{ITEM}/state", json=state("CANCELLED")).status_code == 200
    assert value(client, "ProcedureStepState") == "CANCELED"
    progress = value(client, "ProcedureStepProgressInformationSequence")
    assert progress["0074100E"]["Value"][0]["00080100"]["Value"] == ["110513"]
    assert len(progress["00404052"]["Value"][0]) > 14
    again = client.put(f"{ITEM}/state", json=state("CANCELED"))
    assert said(again) == "The UPS is already in the requested state of CANCELED."


@pytest.mark.spec("PS3.4 CC.2.1.2")
def test_of_two_who_claim_at_once_one_gets_the_workitem(client: httpx.Client) -> None:
    """The other one's Transaction UID is incorrect."""
    add(client)
    uids = [f"{TRANSACTION}.{number}" for number in range(8)]
    with ThreadPoolExecutor(len(uids)) as threads:
        statuses = list(threads.map(lambda uid: claim(client, uid).status_code, uids))
    assert sorted(statuses) == [200] + [400] * 7
    winner = uids[statuses.index(200)]
    assert change(client, members(ProcedureStepLabel="mine"), f"?{winner}").status_code == 200


@pytest.mark.spec("PS3.18 11.8")
def test_a_scheduled_workitem_is_canceled_on_request(client: httpx.Client) -> None:
    """202; it tells why, if the request did, and a second request is warned of."""
    add(client)
    why = members(ReasonForCancellation="patient left", ContactDisplayName="Front desk")
    assert client.post(f"{ITEM}/cancelrequest", json=why, headers=JSON).status_code == 202
    assert value(client, "ProcedureStepState") == "CANCELED"
    progress = value(client, "ProcedureStepProgressInformationSequence")
    assert progress["00741238"]["Value"] == ["patient left"]
    again = client.post(f"{ITEM}/cancelrequest")
    assert again.status_code == 202
    assert said(again) == "The UPS is already in the requested state of CANCELED."


@pytest.mark.spec("PS3.18 11.8.3.2")
def test_a_request_that_nobody_can_hear_is_refused(client: httpx.Client) -> None:
    """409: the performer of a claimed workitem that nobody is subscribed to cannot be asked."""
    add(client)
    claim(client)
    refused = client.post(f"{ITEM}/cancelrequest")
    assert (refused.status_code, said(refused)) == (
        409, "The performer cannot be contacted.",
    )  # fmt: skip
    change(client, performed(), f"?{TRANSACTION}")
    client.put(f"{ITEM}/state", json=state("COMPLETED"))
    late = client.post(f"{ITEM}/cancelrequest")
    assert (late.status_code, said(late)) == (409, "The UPS is already COMPLETED.")


def test_everything_is_in_the_audit_trail(client: httpx.Client, server: LiveServer) -> None:
    """Each transaction leaves its word, who did it, and the item."""
    add(client)
    content(client)
    client.get("/dicomweb/workitems?PatientID=mrn-1")
    change(client, members(ProcedureStepLabel="x"))
    claim(client)
    client.post(f"{ITEM}/cancelrequest")
    client.put(f"{ITEM}/state", json=state("CANCELED"))
    with psycopg.connect(server.settings.database_url) as connection:
        rows = connection.execute(
            "SELECT action, subtype, client, entity, query FROM audit_event"
            " WHERE subtype LIKE '%workitem%' AND outcome = 0 ORDER BY seq"
        ).fetchall()
    assert rows == [
        ("C", "workitem-create", "ris", UID, None),
        ("R", "workitem-retrieve", "ris", UID, None),
        ("E", "query-workitem", "ris", None, "PatientID=mrn-1"),
        ("U", "workitem-update", "ris", UID, None),
        ("U", "workitem-state", "ris", UID, None),
        ("U", "workitem-state", "ris", UID, None),
    ]
