"""C-STORE as its SCU: what goes over which association in which transfer syntax, and what becomes of each instance."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom import Dataset
from pydicom.uid import CTImageStorage, EncapsulatedPDFStorage, MRImageStorage

from dicomweb.dimse.associate import Reject, reject
from dicomweb.dimse.outgoing import Outgoing
from dicomweb.dimse.push import Originator, Push, Sent
from dicomweb.dimse.requestor import Remote
from dicomweb.dimse.suboperations import Outcome
from dicomweb.status import Reason
from dicomweb.study.retrieve import Instance, instances
from healix_fhir.kernel.database import Row
from tests.bench.dimse_servers import free_port
from tests.support.dicom import (
    big_endian,
    ct,
    data_set,
    deflated,
    encapsulated,
    implicit,
    part10,
    rle,
    uid,
    with_pixels,
)
from tests.support.dimse import EXPLICIT, IMPLICIT
from tests.support.storage_peers import local, receiving, scripted, storescp
from tests.support.study import SYSTEM, Store, open_store

DEFLATED, BIG_ENDIAN, RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5"
MPEG4 = "1.2.840.10008.1.2.4.102"
CT = str(CTImageStorage)


@pytest.fixture
def store(pool: ConnectionPool[Connection[Row]], tmp_path: Path) -> Store:
    """An empty study store."""
    return open_store(pool, tmp_path / "images")


def kept(store: Store, *files: bytes) -> list[Instance]:
    """The instances of study 1 after these files were stored in it."""
    assert all(outcome.reason is None for outcome in store.add(*files))
    return store.run(instances(SYSTEM, uid(1)))


def push(store: Store, remote: Remote, *, originator: Originator | None = None) -> Push:
    """Sending from a store to a peer."""
    return Push(remote, Outgoing(store.archive, store.pool, SYSTEM), originator)


def outcomes(sent: Sequence[Sent]) -> list[Outcome]:
    """What each counts as."""
    return [one.outcome for one in sent]


def image(instance: int = 1) -> Dataset:
    """A data set with pixels."""
    return with_pixels(data_set(1, 1, instance))


PIXELS = np.frombuffer(image().PixelData, "<u2").reshape(8, 8)
ENCODED: dict[str, tuple[Callable[[Dataset], bytes], str]] = {
    "explicit": (part10, EXPLICIT),
    "implicit": (implicit, IMPLICIT),
    "big endian": (big_endian, BIG_ENDIAN),
    "deflated": (deflated, DEFLATED),
    "RLE": (rle, RLE),
}


@pytest.mark.spec("PS3.4 B.3 (2024d)")
@pytest.mark.parametrize("way", ENCODED)
def test_what_the_peer_takes_goes_as_it_is_stored(store: Store, way: str) -> None:
    """An instance goes in the transfer syntax in which it is stored, though the peer would take others too."""
    encode, syntax = ENCODED[way]
    found = kept(store, encode(image()))
    with receiving([(CT, [IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN, RLE])]) as peer:
        sent = list(push(store, peer.remote).send(found))
    assert outcomes(sent) == [Outcome.COMPLETED]
    (one,) = peer.kept
    assert one.syntax == syntax == found[0].transfer_syntax
    assert one.data_set.SOPInstanceUID == uid(1, 1, 1)
    assert (one.data_set.pixel_array == PIXELS).all()


@pytest.mark.spec("PS3.4 C.4.2.2.2 (2024d)")
@pytest.mark.parametrize("taken", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("way", ENCODED)
def test_what_the_peer_does_not_take_goes_uncompressed(store: Store, way: str, taken: str) -> None:
    """Where the peer takes only an uncompressed transfer syntax the pixels arrive in it, the same as they are."""
    encode, _ = ENCODED[way]
    found = kept(store, encode(image()))
    with receiving([(CT, [taken])]) as peer:
        assert outcomes(list(push(store, peer.remote).send(found))) == [Outcome.COMPLETED]
    (one,) = peer.kept
    assert one.syntax == taken
    assert (one.data_set.pixel_array == PIXELS).all()
    assert one.data_set.PatientName == image().PatientName


def test_many_instances_go_over_one_association(store: Store) -> None:
    """Instances follow each other on one association, in their order, which is released at the end."""
    found = kept(store, *[ct(1, 1, number, size=16) for number in range(1, 8)])
    with receiving([(CT, [EXPLICIT])]) as peer:
        sent = list(push(store, peer.remote).send(found))
    assert [one.instance for one in sent] == found
    assert set(outcomes(sent)) == {Outcome.COMPLETED}
    assert [one.data_set.InstanceNumber for one in peer.kept] == list(range(1, 8))
    assert (peer.associations, peer.ended) == (1, ["released"])


def test_storescp_of_dcmtk_takes_all(store: Store, tmp_path: Path) -> None:
    """The storescp of dcmtk, which takes no compressed transfer syntax by default, has all afterwards."""
    found = kept(store, part10(image(1)), rle(image(2)), deflated(image(3)), ct(1, 2, 4, size=700))
    (tmp_path / "kept").mkdir()
    with storescp(tmp_path / "kept") as remote:
        assert set(outcomes(list(push(store, remote).send(found)))) == {Outcome.COMPLETED}
    assert len(list((tmp_path / "kept").iterdir())) == len(found)


@pytest.mark.spec("PS3.7 9.1.1.1 (2024d)")
def test_the_originator_of_a_move_is_named(store: Store) -> None:
    """Instances that are sent for a C-MOVE name who asked for it, and others nobody."""
    found = kept(store, ct(1, 1, 1, size=16))
    with receiving([(CT, [EXPLICIT])]) as peer:
        assert list(push(store, peer.remote, originator=Originator("VIEWER", 7)).send(found))
        assert list(push(store, peer.remote).send(found))
    assert [one.originator for one in peer.kept] == [("VIEWER", 7), (None, None)]


@pytest.mark.spec("PS3.4 B.2.3 (2024d)")
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0xB000, Outcome.WARNING),
        (0xB006, Outcome.WARNING),
        (0x0107, Outcome.WARNING),
        (0xA700, Outcome.FAILED),
        (0xC123, Outcome.FAILED),
        (0x0124, Outcome.FAILED),
    ],
)
def test_a_status_counts_as_what_it_is(store: Store, status: int, outcome: Outcome) -> None:
    """A warning and a failure of one instance are counted as such, and the next one is sent."""
    found = kept(store, ct(1, 1, 1, size=16), ct(1, 1, 2, size=16))
    with receiving([(CT, [EXPLICIT])], lambda ds: status if ds.InstanceNumber == 1 else 0) as peer:
        sent = list(push(store, peer.remote).send(found))
    assert [(one.status, one.outcome) for one in sent] == [(status, outcome), (0, Outcome.COMPLETED)]


def test_what_the_peer_has_no_context_for_fails_alone(store: Store) -> None:
    """A SOP class and a transfer syntax that the peer does not take fail their instances, and no others."""
    video = with_pixels(data_set(1, 2, 1, SOPClassUID=MRImageStorage), bits=8)
    pdf = data_set(1, 3, 1, SOPClassUID=EncapsulatedPDFStorage, MIMETypeOfEncapsulatedDocument="application/pdf")
    found = kept(store, ct(1, 1, 1, size=16), encapsulated(video, [b"\0\0\1\xb3"], syntax=MPEG4), part10(pdf))
    with receiving([(CT, [EXPLICIT]), (MRImageStorage, [EXPLICIT])]) as peer:
        sent = list(push(store, peer.remote).send(found))
    assert [one.status for one in sent] == [
        0,
        Reason.TRANSFER_SYNTAX_NOT_SUPPORTED,
        Reason.SOP_CLASS_NOT_SUPPORTED,
    ]


def test_a_peer_that_takes_nothing(store: Store) -> None:
    """When the peer accepts no context each instance fails by name."""
    found = kept(store, ct(1, 1, 1, size=16), ct(1, 1, 2, size=16))
    with receiving([(MRImageStorage, [EXPLICIT])]) as peer:
        sent = list(push(store, peer.remote).send(found))
    assert [one.status for one in sent] == [Reason.SOP_CLASS_NOT_SUPPORTED] * 2
    assert CT in sent[0].message


def test_what_cannot_be_read_fails_alone(store: Store) -> None:
    """An instance whose file is gone fails, and the others arrive."""
    found = kept(store, ct(1, 1, 1, size=16), ct(1, 1, 2, size=16))
    store.archive.remove([found[0].key])
    with receiving([(CT, [EXPLICIT])]) as peer:
        sent = list(push(store, peer.remote).send(found))
    assert [one.status for one in sent] == [Reason.OUT_OF_RESOURCES, 0]
    assert peer.ended == ["released"]


def test_what_ends_too_early_fails_alone(store: Store) -> None:
    """An instance whose file has lost its end is not sent as if it were whole, and the others arrive."""
    found = kept(store, ct(1, 1, 1, size=16), ct(1, 1, 2, size=16))
    path = store.archive.path(found[0].key)
    assert path is not None
    os.truncate(path, found[0].size - 100)
    with receiving([(CT, [EXPLICIT])]) as peer:
        sent = list(push(store, peer.remote).send(found))
    assert [(one.status, one.ours) for one in sent] == [(Reason.OUT_OF_RESOURCES, True), (0, False)]
    assert [str(one.data_set.SOPInstanceUID) for one in peer.kept] == [uid(1, 1, 2)]


def test_a_peer_that_rejects_associations_has_refused_no_instance(store: Store) -> None:
    """What a peer would take that knew this server may be sent later."""
    found = kept(store, ct(1, 1, 1, size=16))
    with scripted(reject(Reject.CALLING_AE_TITLE_NOT_RECOGNIZED)) as remote:
        (sent,) = push(store, remote).send(found)
    assert (sent.outcome, sent.may_pass) == (Outcome.FAILED, True)


def test_an_association_that_breaks_is_opened_again(store: Store) -> None:
    """The instance on which an association breaks has failed, and those after it go over another one."""
    found = kept(store, *[ct(1, 1, number, size=16) for number in range(1, 5)])
    with receiving([(CT, [EXPLICIT])], lambda ds: None if ds.InstanceNumber == 2 else 0) as peer:
        sent = list(push(store, peer.remote).send(found))
    assert [one.outcome.value for one in sent] == ["completed", "failed", "completed", "completed"]
    assert sent[1].may_pass
    assert peer.associations == 2


def test_a_peer_that_breaks_every_association_is_left(store: Store) -> None:
    """After some associations in a row that break at their first instance nothing more is sent."""
    found = kept(store, *[ct(1, 1, number, size=16) for number in range(1, 7)])
    with receiving([(CT, [EXPLICIT])], lambda _: None) as peer:
        sent = list(push(store, peer.remote).send(found))
    assert outcomes(sent) == [Outcome.FAILED] * 6
    assert [one.instance for one in sent] == found
    assert peer.associations == 3


@pytest.mark.parametrize("count", [1, 2])
def test_a_peer_that_is_not_there(store: Store, count: int) -> None:
    """When the peer does not listen each instance fails once, with the reason, which may pass."""
    found = kept(store, *[ct(1, 1, number, size=16) for number in range(count)])
    sent = list(islice(push(store, local(free_port(), "ARCHIVE")).send(found), count + 1))
    assert [(one.outcome, one.may_pass, "cannot be reached" in one.message) for one in sent] == [
        (Outcome.FAILED, True, True)
    ] * count


def test_leaving_off(store: Store) -> None:
    """Who leaves off sends nothing more, and the association is released."""
    found = kept(store, *[ct(1, 1, number, size=16) for number in range(1, 5)])
    done: list[Sent] = []
    with receiving([(CT, [EXPLICIT])]) as peer:
        outgoing = Outgoing(store.archive, store.pool, SYSTEM)
        done.extend(Push(peer.remote, outgoing, leave_off=lambda: len(peer.kept) == 2).send(found))
    assert len(done) == len(peer.kept) == 2
    assert peer.ended == ["released"]
