"""Who may associate, and that the audit trail tells of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dimse import peers
from dicomweb.dimse.admission import Call, Caller, House, Rejection, admit, opened
from dicomweb.dimse.associate import Reject, decode
from dicomweb.dimse.peers import ALL, Peer, Right
from healix_fhir.kernel.database import Row, run, transaction
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.scope import Permission
from tests.support.dimse import CT, EXPLICIT, proposal, request_body
from tests.support.query_recorder import query_recorder

Pool = ConnectionPool[Connection[Row]]
REFUSE, STORE, ALL_MAY = House("HEALIX", "refuse"), House("HEALIX", "store"), House("HEALIX", "all")


def call(address: str = "192.0.2.1", *, secure: bool = False, **changes: str | int) -> Call:
    """A request of MODALITY."""
    body = request_body([proposal(1, CT, [EXPLICIT])], **changes)  # type: ignore[arg-type]
    return Call(decode(body), address, secure)


def ask(pool: Pool, house: House, **changes: str | int) -> Caller | Rejection:
    """The verdict on a request from 192.0.2.1."""
    return transaction(pool, partial(admit, house, call(**changes)))  # type: ignore[arg-type]


def trail(pool: Pool) -> list[Row]:
    """What the audit trail says."""
    with pool.connection() as connection:
        return connection.execute(
            "SELECT action, subtype, outcome, client, address FROM audit_event ORDER BY seq"
        ).fetchall()


@pytest.mark.spec("PS3.8 9.3.4 (2024d)")
@pytest.mark.parametrize(
    ("house", "changes", "verdict"),
    [
        (REFUSE, {}, Reject.CALLING_AE_TITLE_NOT_RECOGNIZED),
        (ALL_MAY, {"called": "ORTHANC"}, Reject.CALLED_AE_TITLE_NOT_RECOGNIZED),
        (ALL_MAY, {"called": "healix"}, Reject.CALLED_AE_TITLE_NOT_RECOGNIZED),
        (ALL_MAY, {"application": "1.2.3"}, Reject.APPLICATION_CONTEXT_NOT_SUPPORTED),
        (ALL_MAY, {"version": 2}, Reject.PROTOCOL_VERSION_NOT_SUPPORTED),
    ],
)
def test_rejections(pool: Pool, house: House, changes: dict[str, str | int], verdict: Reject) -> None:
    """Each ground of rejection has its reason."""
    assert ask(pool, house, **changes) == Rejection(verdict, verdict.name)
    assert trail(pool) == []


@pytest.mark.parametrize(("house", "rights"), [(STORE, {Right.ECHO, Right.STORE}), (ALL_MAY, set(Right))])
def test_unknown_callers_by_setting(pool: Pool, house: House, rights: set[Right]) -> None:
    """With `store` a caller that is no peer may verify and store, with `all` everything, audited as its AE title."""
    caller = ask(pool, house)
    assert isinstance(caller, Caller)
    assert caller.rights == rights
    assert caller.access.origin.client == "MODALITY"
    assert trail(pool) == [("E", "A-ASSOCIATE", 0, "MODALITY", "192.0.2.1")]


def test_the_row_of_an_association_is_not_waited_for(pool: Pool) -> None:
    """Admission asks the database twice; its transaction does not wait for the disk, and those after it do again."""
    with pool.connection() as connection:
        with query_recorder() as statements, connection.transaction():
            run(connection, admit(ALL_MAY, call()))
            assert connection.execute("SHOW synchronous_commit").fetchall() == [("off",)]
        assert connection.execute("SHOW synchronous_commit").fetchall() == [("on",)]
    assert len([one for one in statements if "SHOW" not in str(one)]) == 2
    assert [row[1] for row in trail(pool)] == ["A-ASSOCIATE"]


def test_known_peer_is_admitted_with_its_rights_only(pool: Pool) -> None:
    """A known peer has the rights of its row; its access opens what these need and nothing else."""
    transaction(pool, partial(peers.add, "MODALITY", "192.0.2.1", 104))
    caller = ask(pool, REFUSE)
    assert isinstance(caller, Caller)
    assert caller.rights == ALL
    assert caller.access.allows("ImagingStudy", Permission.CREATE)
    assert not caller.access.allows("ImagingStudy", Permission.UPDATE)
    assert not caller.access.allows("Patient", Permission.READ)
    transaction(pool, partial(peers.add, "MODALITY", "192.0.2.1", 104, [Right.ECHO]))
    caller = ask(pool, ALL_MAY)
    assert isinstance(caller, Caller)
    assert caller.rights == {Right.ECHO}
    assert not caller.access.allows("ImagingStudy", Permission.CREATE)


OPENED = {
    Right.ECHO: [],
    Right.STORE: ["system/ImagingStudy.c", "system/ImagingStudy.d"],
    Right.FIND: ["system/ImagingStudy.s"],
    Right.GET: ["system/ImagingStudy.r"],
    Right.MOVE: ["system/ImagingStudy.r"],
    Right.WORKLIST: ["system/ServiceRequest.s"],
    Right.MPPS: ["system/Procedure.cru"],
    Right.COMMIT: ["system/ImagingStudy.r"],
    Right.UPS: ["system/Task.crus"],
}


@pytest.mark.parametrize("right", Right)
def test_each_right_opens_what_its_service_needs(right: Right) -> None:
    """What a peer may ask of a service is a scope of the policy that HTTP has, too; no right opens another's."""
    assert sorted(map(str, opened([right], known=True))) == OPENED[right]


def test_callers_that_are_no_peer_remove_nothing() -> None:
    """The rejection notes of a caller that is no known peer take no effect."""
    assert "system/ImagingStudy.d" not in map(str, opened(ALL, known=False))


BOUND = (["192.0.2.0/28", "2001:db8::7"], True)
WAYS = {
    "its network, over TLS": ("192.0.2.15", True, None),
    "its other address": ("2001:db8::7", True, None),
    "another network": ("192.0.2.16", True, "the peer is bound to other addresses"),
    "another family": ("2001:db8::8", True, "the peer is bound to other addresses"),
    "without TLS": ("192.0.2.15", False, "the peer calls over TLS only"),
}


@pytest.mark.parametrize("way", WAYS)
def test_peers_are_bound_to_networks_and_to_tls(pool: Pool, way: str) -> None:
    """The AE title of a peer said from elsewhere, or without its TLS, is answered like an unknown one; we know why."""
    address, secure, why = WAYS[way]
    networks, tls = BOUND
    transaction(pool, lambda: peers.add("MODALITY", "192.0.2.1", 104, networks=networks, tls=tls))
    verdict = transaction(pool, partial(admit, ALL_MAY, call(address, secure=secure)))
    if why is None:
        assert isinstance(verdict, Caller)
    else:
        unknown = Reject.CALLING_AE_TITLE_NOT_RECOGNIZED
        assert verdict == Rejection(unknown, f"{unknown.name}: {why}")
        assert [row[1] for row in trail(pool)] == ["peer"]


def test_a_peer_has_as_many_associations_as_it_may(pool: Pool) -> None:
    """The call beyond a peer's own limit is rejected as transient, and admitted when another one has left."""
    transaction(pool, lambda: peers.add("MODALITY", "192.0.2.1", 104, associations=2))
    transaction(pool, lambda: peers.add("OTHER", "192.0.2.1", 104))
    house = House("HEALIX", "refuse")
    calls = [call() for _ in range(3)]
    verdicts = [transaction(pool, partial(admit, house, one)) for one in [*calls, calls[0]]]
    assert [isinstance(verdict, Caller) for verdict in verdicts] == [True, True, False, True]
    assert verdicts[2] == Rejection(Reject.LOCAL_LIMIT_EXCEEDED, "LOCAL_LIMIT_EXCEEDED: 2 of this peer")
    assert isinstance(transaction(pool, partial(admit, house, call(calling="OTHER"))), Caller)
    house.presence.leave(calls[0])
    assert isinstance(transaction(pool, partial(admit, house, calls[2])), Caller)


def test_a_peer_without_rights_is_only_called(pool: Pool) -> None:
    """A peer that objects are sent to need not be let in."""
    transaction(pool, lambda: peers.add("MODALITY", "192.0.2.1", 104, []))
    assert isinstance(ask(pool, ALL_MAY), Rejection)


def test_a_forgotten_peer_is_unknown(pool: Pool) -> None:
    """What is removed is audited and calls in vain; it cannot be removed again."""
    transaction(pool, lambda: peers.add("MODALITY", "192.0.2.1", 104))
    transaction(pool, lambda: peers.remove("MODALITY"))
    assert isinstance(ask(pool, REFUSE), Rejection)
    assert [(row[0], row[1]) for row in trail(pool)] == [("U", "peer"), ("D", "peer")]
    with pytest.raises(HealixError, match="no peer MODALITY"):
        transaction(pool, lambda: peers.remove("MODALITY"))


def test_peers_are_found_and_listed(pool: Pool) -> None:
    """A peer added twice is one peer, with what was said last."""
    assert transaction(pool, partial(peers.find, "CT1")) is None
    transaction(pool, partial(peers.add, "CT1", "192.0.2.1", 104))
    transaction(pool, partial(peers.add, "CT1", "ct1.example.org", 11112))
    transaction(pool, partial(peers.add, "ANGIO", "192.0.2.7", 104))
    assert transaction(pool, partial(peers.find, "CT1")) == Peer("CT1", "ct1.example.org", 11112)
    assert [peer.aet for peer in transaction(pool, peers.known)] == ["ANGIO", "CT1"]


@pytest.mark.parametrize("bad", [{"networks": ["10.0.0.1/8"]}, {"networks": ["1"] * 51}, {"associations": 0}])
def test_what_binds_no_peer_is_refused(pool: Pool, bad: dict[str, Any]) -> None:
    """Networks and limits are checked before they are kept."""
    with pytest.raises(HealixError) as refusal:
        transaction(pool, partial(peers.add, "CT", "h", 1, **bad))
    assert refusal.value.category is Category.INVALID


@pytest.mark.parametrize(
    ("aet", "host", "port"),
    [
        ("", "h", 1),
        (" CT", "h", 1),
        ("A" * 17, "h", 1),
        ("A\\B", "h", 1),
        ("CT", "", 1),
        ("CT", "a b", 1),
        ("CT", "h", 0),
    ],
)
def test_what_is_no_peer_is_refused(pool: Pool, aet: str, host: str, port: int) -> None:
    """AE title, host and port are checked before they are kept."""
    with pytest.raises(HealixError) as refusal:
        transaction(pool, partial(peers.add, aet, host, port))
    assert refusal.value.category is Category.INVALID
