"""Rejection notes take out of use what they name, within what their sender may delete."""

from __future__ import annotations

import pytest
from pydicom.uid import KeyObjectSelectionDocumentStorage

from dicomweb.status import Reason
from dicomweb.study import reject
from dicomweb.study.hold import hold
from dicomweb.study.outcome import Disposition, Outcome
from dicomweb.study.restore import deletions, restore
from dicomweb.study.retrieve import instances
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext
from tests.support import notes
from tests.support.dicom import ct, uid
from tests.support.study import SYSTEM, Store, caller

pytestmark = pytest.mark.spec("PS3.3 C.17.6")
CODES = ("113001", "113037", "113038", "113039")


def note(code: str, *named: tuple[int, int, int], scheme: str = "DCM") -> bytes:
    """A note in study 1, in a series of its own."""
    at = (uid(1), uid(1, 90), uid(1, 90, int(code)))
    return notes.note(code, *((uid(*one[:1]), uid(*one[:2]), uid(*one)) for one in named), at=at, scheme=scheme)


@pytest.fixture
def filled(store: Store) -> Store:
    """Three images of study 1 and one of study 2."""
    store.add(ct(1, 1, 1, size=8), ct(1, 1, 2, size=8), ct(1, 2, 1, size=8), ct(2, 1, 1, size=8))
    return store


def sent(store: Store, *files: bytes, access: AccessContext = SYSTEM) -> list[Outcome]:
    """What became of objects."""
    return store.add(*files, access=access)


def left(store: Store) -> set[str]:
    """The images that are there."""
    rows = store.sql("SELECT instance_uid FROM instance WHERE sop_class_uid <> %s", KeyObjectSelectionDocumentStorage)
    return {one for (one,) in rows}


@pytest.mark.parametrize("code", CODES)
def test_rejected(filled: Store, code: str) -> None:
    """What a note names goes at once, is 404 but for an expired policy, and can be restored by hand."""
    (outcome,) = sent(filled, note(code, (1, 1, 1), (1, 2, 1)))
    assert outcome.status is Disposition.STORED
    assert left(filled) == {uid(1, 1, 2), uid(2, 1, 1)}
    with pytest.raises(HealixError) as refused:
        filled.run(instances(SYSTEM, uid(1), uid(1, 1), uid(1, 1, 1)))
    assert refused.value.category is Category.NOT_FOUND
    (listed,) = filled.run(deletions(SYSTEM))
    assert (listed.code, listed.instances) == (code, 2)
    assert filled.sql("SELECT series_count, instance_count FROM study WHERE study_uid = %s", uid(1)) == [(2, 2)]
    words = filled.sql("SELECT action, entity, query FROM audit_event WHERE subtype = 'reject-instances'")
    assert words == [("D", uid(1), "2 instances")]


@pytest.mark.parametrize("code", CODES)
def test_sent_again(filled: Store, code: str) -> None:
    """What was rejected is refused when it is sent again, alone or among others; what has only expired is taken."""
    sent(filled, note(code, (1, 1, 1)))
    alone, *among = sent(filled, ct(1, 1, 1, size=8)) + sent(filled, ct(1, 1, 1, size=8), ct(1, 1, 7, size=8))
    expired = code == "113039"
    assert alone.status is (Disposition.STORED if expired else Disposition.REFUSED)
    assert among[0].status is (Disposition.DUPLICATE if expired else Disposition.REFUSED)
    assert among[1].status is Disposition.STORED
    if not expired:
        assert alone.reason is Reason.PROCESSING_FAILURE
        assert "rejected" in alone.message
        filled.run(restore(SYSTEM, uid(1)))
        assert uid(1, 1, 1) in left(filled)
        assert sent(filled, ct(1, 1, 1, size=8))[0].status is Disposition.DUPLICATE


def test_together(store: Store) -> None:
    """A note in one group with what it names, and one that comes before it, reject it as well."""
    sent(store, ct(1, 1, 1, size=8), note("113001", (1, 1, 1), (1, 1, 2)))
    assert left(store) == set()
    assert sent(store, ct(1, 1, 2, size=8))[0].status is Disposition.REFUSED


@pytest.mark.parametrize(
    "other",
    [note("113000", (1, 1, 1)), note("113001", (1, 1, 1), scheme="99LOCAL"), note("113001"), note("113001", (7, 1, 1))],
)
def test_other_key_objects(filled: Store, other: bytes) -> None:
    """Key objects that are no rejection notes, or name nothing that is there, change nothing."""
    assert sent(filled, other)[0].status is Disposition.STORED
    assert len(left(filled)) == 4


def test_without_permission(filled: Store) -> None:
    """A note of somebody who may store and not delete is refused by name; the others of its group are stored."""
    found = sent(filled, note("113001", (1, 1, 1)), ct(3, 1, 1, size=8), access=caller("system/ImagingStudy.c"))
    assert [one.status for one in found] == [Disposition.REFUSED, Disposition.STORED]
    assert (found[0].reason, "permission to delete" in found[0].message) == (Reason.NOT_AUTHORIZED, True)
    assert len(left(filled)) == 5


def test_other_patient(filled: Store) -> None:
    """A patient's app rejects its own images; what it names of others stays, and is answered as if it were missing."""
    filled.sql("UPDATE study SET pat = CASE study_uid WHEN %s THEN 11 ELSE 12 END", uid(1))
    own = caller("patient/ImagingStudy.cruds", pat=11)
    hidden, missing = (note("113001", (1, 1, number), (study, 1, 1)) for number, study in ((1, 2), (2, 7)))
    answers = sent(filled, hidden, access=own)
    assert [one.status for one in answers] == [Disposition.STORED]
    assert left(filled) == {uid(1, 1, 2), uid(1, 2, 1), uid(2, 1, 1)}
    filled.sql("DELETE FROM instance WHERE sop_class_uid = %s", KeyObjectSelectionDocumentStorage)
    again = sent(filled, missing, access=own)
    assert [(one.status, one.message) for one in again] == [(one.status, one.message) for one in answers]
    assert filled.sql("SELECT instance_uid FROM rejected_instance ORDER BY 1") == [(uid(1, 1, 1),), (uid(1, 1, 2),)]


def test_held(filled: Store) -> None:
    """A hold keeps a study from expiring by a note; what is unsafe is hidden all the same."""
    filled.run(hold(SYSTEM, uid(1), "lawsuit"))
    (refused,) = sent(filled, note("113039", (1, 1, 1)))
    assert (refused.status, "legal hold" in refused.message) == (Disposition.REFUSED, True)
    (stored,) = sent(filled, note("113037", (1, 1, 1)))
    assert stored.status is Disposition.STORED
    assert uid(1, 1, 1) not in left(filled)


def test_many(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note that names more than the limit is refused."""
    monkeypatch.setattr(reject, "MOST", 1)
    (refused,) = sent(filled, note("113001", (1, 1, 1), (1, 1, 2)))
    assert refused.reason is Reason.OUT_OF_RESOURCES
    assert len(left(filled)) == 4
