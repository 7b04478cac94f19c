"""C-FIND and C-MOVE as their SCU: what an archive of pynetdicom, and this server itself, answer."""

from __future__ import annotations

from contextlib import nullcontext
from io import BytesIO
from unittest.mock import MagicMock

import pytest
from pydicom import Dataset, dcmread

from dicomweb.dicomjson.model import text_of
from dicomweb.dimse import retrieving
from dicomweb.dimse.asking import question, told
from dicomweb.dimse.command import Element
from dicomweb.dimse.query_retrieve import Entity
from dicomweb.dimse.requestor import PeerError, Response
from dicomweb.dimse.retrieving import found, keys, moved
from dicomweb.dimse.suboperations import RetrieveStatus
from dicomweb.dimse.verifying import verify
from healix_fhir.kernel.errors import HealixError
from tests.support.dicom import ct, uid
from tests.support.dimse import CT, EXPLICIT
from tests.support.storage_peers import UNKNOWN_DESTINATION, having, local, receiving

STUDY = 0x0020000D


def match(number: int) -> Dataset:
    """A study as a peer tells of it."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.QueryRetrieveLevel, ds.StudyInstanceUID, ds.PatientName = "STUDY", uid(number), "Müller^Jürgen"
    ds.ModalitiesInStudy, ds.NumberOfStudyRelatedInstances = ["CT", "SR"], 12
    return ds


@pytest.mark.spec("PS3.4 C.4.1.2 (2024d)")
def test_matches_are_told_in_keywords() -> None:
    """The peer gets the keys and what is to be told, its matches come back by keyword, in Unicode."""
    with having([match(1), match(2)]) as archive:
        identifier = question("study", ["PatientID=47*", "StudyDate=20260101-", "ModalitiesInStudy=CT\\MR"])
        answers = [told(one) for one in found(archive.remote, identifier, most=10)]
    (asked,) = archive.asked
    assert (asked.QueryRetrieveLevel, asked.PatientID, asked.StudyDate) == ("STUDY", "47*", "20260101-")
    assert list(asked.ModalitiesInStudy) == ["CT", "MR"]
    assert asked["StudyInstanceUID"].is_empty
    assert [one["StudyInstanceUID"] for one in answers] == [uid(1), uid(2)]
    assert answers[0]["PatientName"] == "Müller^Jürgen"
    assert answers[0]["ModalitiesInStudy"] == ["CT", "SR"]
    assert answers[0]["NumberOfStudyRelatedInstances"] == 12


@pytest.mark.spec("PS3.4 C.4.1.2.2 (2024d)")
def test_no_more_matches_than_wanted() -> None:
    """After the most matches that are wanted the query is cancelled, and those that come all the same are dropped."""
    with having([match(number) for number in range(200)]) as archive:
        answers = list(found(archive.remote, question("study", []), most=3))
    assert [text_of(one, STUDY) for one in answers] == [uid(number) for number in range(3)]
    assert archive.cancelled


def test_a_peer_that_does_not_stop_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that goes on and on with a query that was cancelled does not hold up whoever asked."""
    requestor = MagicMock()
    requestor.needed.return_value.transfer_syntax = EXPLICIT
    requestor.response.return_value = Response(requestor.needed.return_value, {Element.Status: 0xFF00})
    monkeypatch.setattr(retrieving, "associate", lambda *_, **__: nullcontext(requestor))
    with pytest.raises(PeerError, match="goes on with a query"):
        list(found(local(104), question("study", []), most=3))
    assert requestor.cancel.call_count == 1


@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC001])
def test_refused_queries_are_told(status: int) -> None:
    """A status of failure is told as the peer's."""
    with having([], refuse=status) as archive, pytest.raises(HealixError, match=f"refuses with {status:04X}H"):
        list(found(archive.remote, question("study", []), most=3))


@pytest.mark.parametrize(
    ("level", "key", "said"),
    [
        ("frame", "PatientID=1", "the level is one of"),
        ("study", "PatientIdentity=1", "no keyword"),
        ("study", "PixelData=1", "no keyword"),
        ("study", "ReferencedStudySequence=1", "no keyword"),
        ("worklist", "PatientID.Modality=CT", "no keyword of a sequence"),
        ("worklist", "ScheduledProcedureStepSequence.Modalities=CT", "no keyword"),
    ],
)
def test_what_cannot_be_asked(level: str, key: str, said: str) -> None:
    """An unknown level, an unknown keyword and what is not matched by text are refused by name."""
    with pytest.raises(HealixError, match=said):
        question(level, [key])


@pytest.mark.spec("PS3.4 K.4.1.2 (2024d)")
def test_keys_of_a_worklist() -> None:
    """They have no level, and those of the step are in one item, with a value or to be told."""
    asked = question("worklist", ["PatientID=1", "ScheduledProcedureStepSequence.Modality=CT"])
    assert 0x00080052 not in asked
    assert asked[0x00100020].values == ["1"]
    (step,) = asked[0x00400100].values
    assert (step[0x00080060].values, step[0x00400009].values) == (["CT"], ())


def test_verification() -> None:
    """A peer that answers an echo is there; one that does not accept verification is told so."""
    with having([]) as archive:
        verify(archive.remote)
    with receiving([(CT, [EXPLICIT])]) as archive_without, pytest.raises(PeerError, match="does not accept"):
        verify(archive_without.remote)


def images(count: int) -> list[Dataset]:
    """Images of study 1."""
    return [dcmread(BytesIO(ct(1, 1, number, size=8))) for number in range(1, count + 1)]


@pytest.mark.spec("PS3.4 C.4.2.2 (2024d)")
def test_a_move_is_followed() -> None:
    """Each response of a C-MOVE is told with its counts, the last one with the instances that failed."""
    with (
        receiving([(CT, [EXPLICIT])], lambda ds: 0xA700 if ds.InstanceNumber == 2 else 0) as receiver,
        having([], images(3), to=receiver.remote.port) as archive,
    ):
        steps = list(moved(archive.remote, keys(Entity.STUDY, [uid(1)]), "HEALIX"))
    (asked,) = archive.asked
    assert (asked.QueryRetrieveLevel, asked.StudyInstanceUID) == ("STUDY", uid(1))
    assert archive.destinations == ["HEALIX"]
    assert (steps[-1].status, steps[-1].completed, steps[-1].failed) == (RetrieveStatus.WARNING, 2, 1)
    assert list(steps[-1].instances) == [uid(1, 1, 2)]
    assert not any(one.is_last for one in steps[:-1])


@pytest.mark.spec("PS3.4 C.4.2.2.1 (2024d)")
def test_a_move_is_cancelled() -> None:
    """Who leaves off cancels the C-MOVE, and hears what has been sent until then."""
    with receiving([(CT, [EXPLICIT])]) as receiver, having([], images(50), to=receiver.remote.port) as archive:
        steps = list(moved(archive.remote, keys(Entity.STUDY, [uid(1)]), "HEALIX", leave_off=lambda: True))
    assert steps[-1].status == RetrieveStatus.CANCELLED
    assert archive.cancelled
    assert len(receiver.kept) < 50


def test_a_peer_that_does_not_know_us() -> None:
    """A C-MOVE to a destination that the peer does not know is refused with its status."""
    with (
        having([], images(1), refuse=UNKNOWN_DESTINATION) as archive,
        pytest.raises(HealixError, match="refuses with A801H"),
    ):
        list(moved(archive.remote, keys(Entity.STUDY, [uid(1)]), "HEALIX"))
