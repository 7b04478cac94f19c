"""Who may associate, and that the audit trail tells of it."""

from __future__ import annotations

from functools import partial

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dimse import peers
from dicomweb.dimse.admission import Caller, House, admit, opened
from dicomweb.dimse.associate import Reject, decode
from dicomweb.dimse.peers import ALL, Peer, Right
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.scope import Permission
from tests.support.dimse import CT, EXPLICIT, proposal, request_body

Pool = ConnectionPool[Connection[Row]]
REFUSE, STORE, ALL_MAY = House("HEALIX", "refuse"), House("HEALIX", "store"), House("HEALIX", "all")


def ask(pool: Pool, house: House, **changes: str | int) -> Caller | Reject:
    """The verdict on a request from 192.0.2.1."""
    request = decode(request_body([proposal(1, CT, [EXPLICIT])], **changes))  # type: ignore[arg-type]
    return transaction(pool, partial(admit, house, request, "192.0.2.1"))


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
    assert ask(pool, house, **changes) is verdict
    assert trail(pool) == []


@pytest.mark.parametrize(("house", "rights"), [(STORE, {Right.ECHO, Right.STORE}), (ALL_MAY, set(Right))])
def test_unknown_callers_by_setting(pool: Pool, house: House, rights: set[Right]) -> None:
    """With `store` a caller that is no peer may verify and store, with `all` everything, audited as its AE title."""
    caller = ask(pool, house)
    assert isinstance(caller, Caller)
    assert caller.rights == rights
    assert caller.access.origin.client == "MODALITY"
    assert trail(pool) == [("E", "A-ASSOCIATE", 0, "MODALITY", "192.0.2.1")]


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
    Right.WORKLIST: ["system/Task.s"],
    Right.MPPS: ["system/Task.ru"],
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


def test_peers_are_found_and_listed(pool: Pool) -> None:
    """A peer added twice is one peer, with what was said last."""
    assert transaction(pool, partial(peers.find, "CT1")) is None
    transaction(pool, partial(peers.add, "CT1", "192.0.2.1", 104))
    transaction(pool, partial(peers.add, "CT1", "ct1.example.org", 11112))
    transaction(pool, partial(peers.add, "ANGIO", "192.0.2.7", 104))
    assert transaction(pool, partial(peers.find, "CT1")) == Peer("CT1", "ct1.example.org", 11112)
    assert [peer.aet for peer in transaction(pool, peers.known)] == ["ANGIO", "CT1"]


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
