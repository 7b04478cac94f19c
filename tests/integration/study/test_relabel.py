"""Other labels and other studies for stored objects: exact wherever they are read, and taken back byte for byte."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicomweb.study import purge
from dicomweb.study.delete import delete
from dicomweb.study.hold import hold
from dicomweb.study.query import Level, Query, query
from dicomweb.study.receive import Receiver
from dicomweb.study.relabel.asked import NEW, Relabelling, ask, relabellings
from dicomweb.study.relabel.perform import perform
from dicomweb.study.relabel.rewrite import rewritten
from dicomweb.study.relabel.undo import undo
from dicomweb.study.restore import deletions, restore
from dicomweb.study.retrieve import encoded, instances, metadata
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.dicom import big_endian, ct, data_set, deflated, implicit, part10, rle, uid, with_pixels
from tests.support.study import SYSTEM, Store, caller

WHO = {"PatientName": "Roe^Richard", "PatientID": "P2", "PatientBirthDate": "19800101", "PatientSex": "M"}
BASE = "http://h/dicomweb"


def change(store: Store, study: str, **asked: Any) -> Relabelling:
    """Ask for a change, and make it."""
    number = store.run(ask(SYSTEM, study, reason="wrong worklist entry", **asked))
    return perform(store.pool, Receiver(store.archive), number)


def files(store: Store, study: str) -> dict[str, bytes]:
    """The stored files of a study by SOPInstanceUID."""
    return {one.instance: store.archive.read(one.key, 0, one.size) for one in store.run(instances(SYSTEM, study))}


def read(file: bytes) -> Dataset:
    """A file as pydicom reads it."""
    return dcmread(io.BytesIO(file))


def rows(store: Store) -> list[Any]:
    """All rows but for the moments of change and the patient, which the bridge sets."""
    return [
        store.sql(f"SELECT to_jsonb(t) - 'updated' - 'pat' FROM {table} t ORDER BY pk")
        for table in ("study", "series", "instance")
    ]


def found(store: Store, level: Level, *keys: tuple[str, str]) -> list[dict[str, Any]]:
    """What a search finds."""
    return [json.loads(one) for one in store.run(query(SYSTEM, Query(level, keys))).objects]


def refusal(store: Store, study: str, **asked: Any) -> Category:
    """Why a change is refused when it is asked for."""
    with pytest.raises(HealixError) as refused:
        store.run(ask(asked.pop("access", SYSTEM), study, **{"reason": "r", **asked}))
    return refused.value.category


@pytest.mark.spec("PS3.3 C.12.1")
def test_a_study_has_other_labels_wherever_it_is_read(store: Store) -> None:
    """Search, metadata and files say the new ones; the pixels are the same bytes; the files say what was before."""
    store.add(*(ct(1, series, number, size=8, OtherPatientIDs="X9") for series in (1, 2) for number in (1, 2)))
    before = files(store, uid(1))
    made = change(store, uid(1), labels=WHO | {"AccessionNumber": "B7"})
    assert (made.state, made.instances) == ("done", 4)
    assert found(store, Level.STUDY, ("PatientID", "P1")) == []
    (study,) = found(store, Level.STUDY, ("PatientID", "P2"), ("AccessionNumber", "B7"), ("PatientName", "roe*"))
    assert (study["00201206"]["Value"], study["00201208"]["Value"]) == ([2], [4])
    after = files(store, uid(1))
    assert after.keys() == before.keys()
    for name, file in after.items():
        new, old = read(file), read(before[name])
        assert (new.PatientID, str(new.PatientName), new.PatientSex) == ("P2", "Roe^Richard", "M")
        assert (new.PixelData, new.SOPInstanceUID, new.StudyDescription) == (
            old.PixelData,
            old.SOPInstanceUID,
            old.StudyDescription,
        )
        assert "OtherPatientIDs" not in new
        (item,) = new.OriginalAttributesSequence
        (was,) = item.ModifiedAttributesSequence
        assert (was.PatientID, was.AccessionNumber, was.OtherPatientIDs) == ("P1", "A1", "X9")
        assert (item.ReasonForTheAttributeModification, item.ModifyingSystem) == ("CORRECT", "Healix")
    described = [json.loads(one) for one in encoded(store.run(metadata(SYSTEM, uid(1))), BASE)]
    assert {one["00100020"]["Value"][0] for one in described} == {"P2"}
    assert store.sql("SELECT count(DISTINCT digest) FROM instance") == [(4,)]
    assert store.sql("SELECT pat FROM study") == [(None,)]


def test_a_change_is_taken_back_byte_for_byte(store: Store) -> None:
    """Every row and file is as it was; a second time there is nothing to take back."""
    store.add(*(ct(1, 1, number, size=8) for number in (1, 2)))
    before, bytes_before = rows(store), files(store, uid(1))
    made = change(store, uid(1), labels=WHO)
    assert rows(store) != before
    assert store.run(undo(SYSTEM, made.id)).state == "undone"
    assert (rows(store), files(store, uid(1))) == (before, bytes_before)
    with pytest.raises(HealixError) as refused:
        store.run(undo(SYSTEM, made.id))
    assert refused.value.category is Category.CONFLICT


FORMS: dict[str, Callable[[Dataset], bytes]] = {
    "explicit": part10,
    "implicit": implicit,
    "big endian": big_endian,
    "deflated": deflated,
    "compressed": rle,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_data_set_keeps_all_else(store: Store, form: str) -> None:
    """The transfer syntax, sequences, private attributes and pixels are as before."""
    ds = with_pixels(data_set(), bits=16)
    item = Dataset()
    item.RequestedProcedureID = "R1"
    ds.RequestAttributesSequence = Sequence([item])
    ds.add_new(0x00090010, "LO", "ACME")
    ds.add_new(0x00091001, "LO", "private")
    store.add(FORMS[form](ds))
    (old,) = map(read, files(store, uid(1)).values())
    assert change(store, uid(1), labels={"PatientID": "P2"}).state == "done"
    (new,) = map(read, files(store, uid(1)).values())
    assert new.PatientID == "P2"
    assert new.file_meta.TransferSyntaxUID == old.file_meta.TransferSyntaxUID
    for element in old:
        if element.keyword != "PatientID":
            assert new[element.tag] == element


@pytest.mark.spec("PS3.3 C.12.1.1.2")
@pytest.mark.parametrize(
    ("stored", "name", "kept"),
    [
        ("ISO_IR 100", "Müller^Jörg", "ISO_IR 100"),
        ("ISO_IR 100", "Yamada^Tarou=山田^太郎", "ISO_IR 192"),
        (None, "Müller^Jörg", "ISO_IR 192"),
        ("ISO_IR 192", "Иванов^Пётр", "ISO_IR 192"),
    ],
)
def test_names_of_every_script(store: Store, stored: str | None, name: str, kept: str) -> None:
    """Where the character set of the object cannot hold the name, its text is in UTF-8 from then on, also what was
    there before.
    """
    description = "Schädel" if stored else "Head"
    store.add(part10(data_set(SpecificCharacterSet=stored, StudyDescription=description)))
    assert change(store, uid(1), labels={"PatientName": name}).state == "done"
    (file,) = files(store, uid(1)).values()
    new = read(file)
    assert (str(new.PatientName), new.StudyDescription, new.SpecificCharacterSet) == (name, description, kept)
    (study,) = found(store, Level.STUDY)
    assert study["00100010"]["Value"][0]["Alphabetic"] == name.split("=", maxsplit=1)[0]


def key_object(study: int, series: int, *named: tuple[int, int, int]) -> bytes:
    """A key object selection in a study, naming instances as (study, series, instance) in evidence and references."""
    ds = data_set(study, series, 1, Modality="KO", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.59")
    evidence = []
    for of_study, of_series, number in named:
        image, member, item = Dataset(), Dataset(), Dataset()
        image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = "1.2.3", uid(of_study, of_series, number)
        member.SeriesInstanceUID, member.ReferencedSOPSequence = uid(of_study, of_series), Sequence([image])
        item.StudyInstanceUID, item.ReferencedSeriesSequence = uid(of_study), Sequence([member])
        evidence.append(item)
    ds.CurrentRequestedProcedureEvidenceSequence = Sequence(evidence)
    return part10(ds)


@pytest.mark.spec("PS3.3 C.17.2")
def test_a_series_goes_to_another_study_and_is_found_and_referred_to_there(store: Store) -> None:
    """It takes the labels of that study, both count what they have, and what referred to it still does."""
    store.add(*(ct(1, series, number, size=8) for series in (1, 2) for number in (1, 2)))
    store.add(key_object(1, 9, (1, 1, 1), (1, 2, 1)))
    store.add(ct(2, 1, 1, size=8, PatientID="P2", PatientName="Roe^Richard"))
    before, bytes_before = rows(store), files(store, uid(1))
    made = change(store, uid(1), series=[uid(1, 2)], target=uid(2))
    assert (made.state, made.instances) == ("done", 3)
    one, two = (found(store, Level.STUDY, ("StudyInstanceUID", uid(n)))[0] for n in (1, 2))
    assert (one["00201206"]["Value"], one["00201208"]["Value"], one["00080061"]["Value"]) == ([2], [3], ["CT", "KO"])
    assert (two["00201206"]["Value"], two["00201208"]["Value"]) == ([2], [3])
    moved = [read(file) for name, file in files(store, uid(2)).items() if name.startswith(uid(1, 2))]
    assert {(ds.StudyInstanceUID, ds.PatientID, ds.AccessionNumber) for ds in moved} == {(uid(2), "P2", "A2")}
    note = read(files(store, uid(1))[uid(1, 9, 1)])
    assert [
        (item.StudyInstanceUID, [member.SeriesInstanceUID for member in item.ReferencedSeriesSequence])
        for item in note.CurrentRequestedProcedureEvidenceSequence
    ] == [(uid(1), [uid(1, 1)]), (uid(2), [uid(1, 2)])]
    with pytest.raises(HealixError) as missing:
        store.run(instances(SYSTEM, uid(1), uid(1, 2)))
    assert missing.value.category is Category.NOT_FOUND
    assert store.run(undo(SYSTEM, made.id)).state == "undone"
    assert (rows(store), files(store, uid(1))) == (before, bytes_before)


@pytest.mark.spec("PS3.3 C.17.2")
def test_what_refers_to_a_series_from_within_follows_and_is_taken_back(store: Store) -> None:
    """A report and a structure set, implicit and of undefined length; taken back, all is as it was."""
    store.add(*(ct(1, series, 1, size=8) for series in (1, 2)), ct(2, 1, 1, size=8))
    member, study, related, images = Dataset(), Dataset(), Dataset(), Dataset()
    member.SeriesInstanceUID = related.SeriesInstanceUID = uid(1, 2)
    study.StudyInstanceUID = related.StudyInstanceUID = uid(1)
    study.ReferencedSeriesSequence = [member]
    images.ReferencedSOPInstanceUID, images.RTReferencedSeriesSequence = uid(1), [member]
    frame = Dataset()
    frame.RTReferencedStudySequence = [images]
    parts = {"PredecessorDocumentsSequence": [study], "RelatedSeriesSequence": [related]}
    report = data_set(1, 8, 1, Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", **parts)
    structures = data_set(2, 9, 1, Modality="RTSTRUCT", ReferencedFrameOfReferenceSequence=[frame])
    structures["ReferencedFrameOfReferenceSequence"].is_undefined_length = True
    store.add(implicit(report), part10(structures))
    before, bytes_before = rows(store), files(store, uid(1)) | files(store, uid(2))
    made = change(store, uid(1), series=[uid(1, 2)], target=uid(2))
    assert (made.state, made.instances) == ("done", 3)
    report = read(files(store, uid(1))[uid(1, 8, 1)])
    assert report.PredecessorDocumentsSequence[0].StudyInstanceUID == uid(2)
    assert report.RelatedSeriesSequence[0].StudyInstanceUID == uid(2)
    (was,) = report.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert was.RelatedSeriesSequence[0].StudyInstanceUID == uid(1)
    structures = read(files(store, uid(2))[uid(2, 9, 1)])
    (frame,) = structures.ReferencedFrameOfReferenceSequence
    assert frame.RTReferencedStudySequence[0].ReferencedSOPInstanceUID == uid(2)
    store.run(undo(SYSTEM, made.id))
    assert (rows(store), files(store, uid(1)) | files(store, uid(2))) == (before, bytes_before)


@pytest.mark.spec("PS3.3 C.17.2")
def test_what_refers_from_a_third_study_follows_and_is_taken_back(store: Store) -> None:
    """A key object in another study of the patient names the new one, and says what it named before; not in one that
    is under legal hold.
    """
    store.add(*(ct(1, series, 1, size=8) for series in (1, 2)), ct(2, 1, 1, size=8, PatientID="P2"))
    store.add(key_object(3, 9, (1, 2, 1)), key_object(4, 9, (1, 2, 1)), ct(3, 1, 1, size=8))
    store.run(hold(SYSTEM, uid(4), "evidence"))
    before, bytes_before = rows(store), files(store, uid(3))
    held = files(store, uid(4))
    made = change(store, uid(1), series=[uid(1, 2)], target=uid(2))
    assert (made.state, made.instances) == ("done", 2)
    note = read(files(store, uid(3))[uid(3, 9, 1)])
    assert [item.StudyInstanceUID for item in note.CurrentRequestedProcedureEvidenceSequence] == [uid(2)]
    (was,) = note.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert was.CurrentRequestedProcedureEvidenceSequence[0].StudyInstanceUID == uid(1)
    assert (note.StudyInstanceUID, note.PatientID) == (uid(3), "P1")
    assert files(store, uid(4)) == held
    (third,) = found(store, Level.STUDY, ("StudyInstanceUID", uid(3)))
    assert (third["00201206"]["Value"], third["00201208"]["Value"]) == ([2], [2])
    assert store.run(undo(SYSTEM, made.id)).state == "undone"
    assert (rows(store), files(store, uid(3))) == (before, bytes_before)


def test_a_third_study_that_changes_meanwhile_keeps_what_it_has(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was deleted of it while its references were written anew does not come back."""
    store.add(ct(1, 1, 1, size=8), ct(2, 1, 1, size=8), key_object(3, 9, (1, 1, 1)), ct(3, 1, 1, size=8))

    def deleting(*given: Any) -> Any:
        monkeypatch.undo()
        store.run(delete(SYSTEM, uid(3), uid(3, 9)))
        return rewritten(*given)

    monkeypatch.setattr("dicomweb.study.relabel.perform.rewritten", deleting)
    made = change(store, uid(1), target=uid(2))
    assert (made.state, "meanwhile" in (made.message or "")) == ("failed", True)
    assert files(store, uid(3)).keys() == {uid(3, 1, 1)}


def test_many_objects_take_little_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of them is in memory, whatever their number, and each is read from the archive once."""
    store.add(*(ct(1, 1, number, size=8) for number in range(1, 13)))
    monkeypatch.setattr("dicomweb.study.relabel.perform.GROUP", 5)
    stream, reads = store.archive.stream, []

    def counted(key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        reads.append(key)
        return stream(key, start, length)

    monkeypatch.setattr(store.archive, "stream", counted)
    made = change(store, uid(1), labels=WHO)
    assert (made.state, made.instances) == ("done", 12)
    assert len(reads) == len(set(reads)) == 12
    assert {read(file).PatientID for file in files(store, uid(1)).values()} == {"P2"}


def test_a_study_is_split(store: Store) -> None:
    """A series becomes a study of its own, of another patient where that is written with it."""
    store.add(*(ct(1, series, 1, size=8) for series in (1, 2)))
    made = change(store, uid(1), series=[uid(1, 2)], target=NEW, labels=WHO)
    assert (made.state, made.target.startswith("2.25.")) == ("done", True)
    (study,) = found(store, Level.STUDY, ("PatientID", "P2"))
    assert study["0020000D"]["Value"] == [made.target]
    assert [one["0020000D"]["Value"] for one in found(store, Level.STUDY, ("PatientID", "P1"))] == [[uid(1)]]


def test_studies_are_merged(store: Store) -> None:
    """All series of a study go to another, and the first is no more; taken back, it is there again."""
    store.add(ct(1, 1, 1, size=8), ct(2, 1, 1, size=8))
    before = rows(store)
    made = change(store, uid(1), target=uid(2))
    assert [one["0020000D"]["Value"] for one in found(store, Level.STUDY)] == [[uid(2)]]
    store.run(undo(SYSTEM, made.id))
    assert rows(store) == before


def test_what_is_no_change_is_refused_by_name(store: Store) -> None:
    """Malformed, missing, under hold, of a caller who does not see everything, or with labels that a study that is
    there does not have.
    """
    store.add(ct(1, 1, 1, size=8), ct(2, 1, 1, size=8), ct(3, 1, 1, size=8))
    store.run(hold(SYSTEM, uid(3), "evidence"))
    assert refusal(store, uid(1)) is Category.INVALID
    assert refusal(store, uid(1), series=[uid(1, 1)]) is Category.INVALID
    assert refusal(store, uid(1), labels=WHO, reason=" ") is Category.INVALID
    assert refusal(store, "1.2/3", labels=WHO) is Category.INVALID
    assert refusal(store, uid(1), labels={"Rows": "8"}) is Category.INVALID
    assert refusal(store, uid(1), labels={"PatientBirthDate": "yesterday"}) is Category.INVALID
    assert refusal(store, uid(1), labels={"PatientID": " "}) is Category.INVALID
    assert refusal(store, uid(1), labels=WHO, target=uid(2)) is Category.INVALID
    assert refusal(store, uid(9), labels=WHO) is Category.NOT_FOUND
    assert refusal(store, uid(1), series=[uid(2, 1)], target=uid(2)) is Category.NOT_FOUND
    assert refusal(store, uid(3), labels=WHO) is Category.CONFLICT
    assert refusal(store, uid(1), target=uid(3)) is Category.CONFLICT
    for scope in ("patient/*.cruds", "user/ImagingStudy.cruds", "system/ImagingStudy.rs"):
        assert refusal(store, uid(1), labels=WHO, access=caller(scope, pat=1)) is Category.FORBIDDEN
    assert store.run(relabellings(SYSTEM)) == []


def test_a_study_that_changes_meanwhile_stays_as_it_is(store: Store) -> None:
    """What came between asking and making is not lost, a hold that came between holds, and the reason is kept."""
    store.add(ct(1, 1, 1, size=8))
    number = store.run(ask(SYSTEM, uid(1), labels=WHO, reason="r"))
    store.run(hold(SYSTEM, uid(1), "evidence"))
    before, there = rows(store), store.files()
    made = perform(store.pool, Receiver(store.archive), number)
    assert (made.state, "hold" in (made.message or "")) == ("failed", True)
    assert (rows(store), store.files()) == (before, there)


def test_who_comes_second_leaves_what_the_first_made(store: Store) -> None:
    """The operator's command and the job worker at the same time: one makes the change, nothing stays of the other."""
    store.add(ct(1, 1, 1, size=8))
    number = store.run(ask(SYSTEM, uid(1), labels=WHO, reason="r"))
    firsts: list[Relabelling] = []

    def overtake(_: int) -> None:
        firsts.append(perform(store.pool, Receiver(store.archive), number))

    second = perform(store.pool, Receiver(store.archive), number, overtake)
    assert [one.state for one in (*firsts, second)] == ["done", "done"]
    (now,) = files(store, uid(1)).values()
    assert read(now).PatientID == "P2"
    assert len(store.files()) == 2, "the object as it is and as it was"
    assert store.run(undo(SYSTEM, number)).state == "undone"


def test_what_was_changed_again_is_taken_back_in_order(store: Store) -> None:
    """The later change first; and not while objects have come that have the new labels."""
    store.add(ct(1, 1, 1, size=8))
    first = change(store, uid(1), labels={"PatientID": "P2"})
    second = change(store, uid(1), labels={"PatientID": "P3"})
    (file,) = files(store, uid(1)).values()
    assert [one.ModifiedAttributesSequence[0].PatientID for one in read(file).OriginalAttributesSequence] == [
        "P1",
        "P2",
    ]
    with pytest.raises(HealixError, match="later change"):
        store.run(undo(SYSTEM, first.id))
    store.run(undo(SYSTEM, second.id))
    store.add(ct(1, 1, 2, size=8, PatientID="P2"))
    with pytest.raises(HealixError, match="came to the study"):
        store.run(undo(SYSTEM, first.id))


def test_what_was_replaced_is_no_deletion(store: Store) -> None:
    """It is not among what can be restored, and goes with the purge; then the change cannot be taken back."""
    store.add(ct(1, 1, 1, size=8), ct(1, 1, 2, size=8))
    store.run(delete(SYSTEM, uid(1), uid(1, 1), uid(1, 1, 2)))
    made = change(store, uid(1), labels=WHO)
    assert [one.instances for one in store.run(deletions(SYSTEM))] == [1]
    with pytest.raises(HealixError) as refused:
        store.run(restore(SYSTEM, uid(1)))
    assert refused.value.category is Category.CONFLICT
    with store.pool.connection() as connection:
        connection.autocommit = True
        purge.purge(connection, store.archive, 0)
    with pytest.raises(HealixError, match="Original Attributes"):
        store.run(undo(SYSTEM, made.id))


def test_both_patients_have_it_in_their_trail(store: Store) -> None:
    """Asked and made, with the reason."""
    store.add(ct(1, 1, 1, size=8))
    change(store, uid(1), labels=WHO)
    trail = store.sql("SELECT action, outcome, query FROM audit_event WHERE subtype = 'relabel-study' AND action = 'U'")
    assert [row[:2] for row in trail] == [("U", 0), ("U", 0)]
    assert all("wrong worklist entry" in row[2] for row in trail)


def test_a_change_that_was_made_meanwhile_stays_made(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that make the same change at once the slower one says nothing of it, and it can be taken back."""
    store.add(ct(1, 1, 1, size=8))
    before = files(store, uid(1))
    number = store.run(ask(SYSTEM, uid(1), labels=WHO, reason="wrong worklist entry"))

    def faster(*given: Any) -> Any:
        monkeypatch.undo()
        assert perform(store.pool, Receiver(store.archive), number).state == "done"
        return rewritten(*given)

    monkeypatch.setattr("dicomweb.study.relabel.perform.rewritten", faster)
    assert perform(store.pool, Receiver(store.archive), number).state == "done"
    store.run(undo(SYSTEM, number))
    assert files(store, uid(1)) == before


def test_a_change_that_is_taken_back_before_it_was_made(store: Store) -> None:
    """It is on record who took it back, and the job makes nothing of it."""
    store.add(ct(1, 1, 1, size=8))
    number = store.run(ask(SYSTEM, uid(1), labels=WHO, reason="wrong worklist entry"))
    store.run(undo(SYSTEM, number))
    assert perform(store.pool, Receiver(store.archive), number).state == "undone"
    said = "SELECT entity, query FROM audit_event WHERE subtype = 'relabel-study' ORDER BY seq DESC LIMIT 1"
    assert store.sql(said) == [(uid(1), "taken back before it was made")]


@pytest.mark.spec("PS3.3 C.12.1.1.2")
def test_text_behind_the_head_is_brought_into_the_new_character_set(store: Store) -> None:
    """Where a name needs another character set, the text of functional groups is in that one too."""
    item = Dataset()
    item.FrameComments = "Schädel"
    ds = data_set(1, 1, 1, SpecificCharacterSet="ISO_IR 100", PerFrameFunctionalGroupsSequence=[item])
    ds["PerFrameFunctionalGroupsSequence"].is_undefined_length = True
    store.add(part10(with_pixels(ds)))
    change(store, uid(1), labels={"PatientName": "Иванов^Иван"})
    after = read(files(store, uid(1))[uid(1, 1, 1)])
    assert str(after.PatientName) == "Иванов^Иван"
    assert after.PerFrameFunctionalGroupsSequence[0].FrameComments == "Schädel"
