"""What becomes of attributes, by action and by option."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from struct import pack

import pytest
from pydicom import config
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import BasicTextSRStorage

from dicomweb.deidentify.keys import Keys
from dicomweb.deidentify.options import Option, SafePrivate
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.deidentified import KEYS, made, of
from tests.support.dicom import big_endian, data_set, deflated, implicit, part10, uid, with_pixels

pytestmark = pytest.mark.spec("PS3.15 E.1.1 (2026c)")
PSEUDONYM = KEYS.pseudonym("P1\0")


def item(**elements: object) -> Dataset:
    """A data set of these elements."""
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def test_the_basic_profile() -> None:
    """Patients get a pseudonym, what describes them goes, what describes the image stays."""
    ds = of(data_set(PatientComments="tall", InstitutionName="Clinic", KVP="120", OtherPatientIDs="X77"))
    assert (str(ds.PatientName), ds.PatientID, ds.PatientBirthDate, ds.PatientSex) == (PSEUDONYM, PSEUDONYM, "", "")
    assert (ds.AccessionNumber, ds.StudyID, ds.StudyDate) == ("", "", "")
    assert (str(ds.ReferringPhysicianName), ds.Modality, ds.Manufacturer, ds.KVP) == ("", "CT", "Healix", 120)
    for keyword in ("PatientComments", "InstitutionName", "StudyDescription", "SeriesDescription", "OtherPatientIDs"):
        assert keyword not in ds


def test_what_an_object_says_of_its_de_identification() -> None:
    """The required attributes of de-identification are there, with the codes of CID 7050."""
    ds = of(data_set(), Option.MODIFIED_DATES, Option.DESCRIPTORS)
    assert (ds.PatientIdentityRemoved, ds.LongitudinalTemporalInformationModified) == ("YES", "MODIFIED")
    assert ds.DeidentificationMethod
    assert [one.CodeValue for one in ds.DeidentificationMethodCodeSequence] == ["113100", "113105", "113107"]
    assert {one.CodingSchemeDesignator for one in ds.DeidentificationMethodCodeSequence} == {"DCM"}
    assert of(data_set()).LongitudinalTemporalInformationModified == "REMOVED"
    assert of(data_set(), Option.FULL_DATES).LongitudinalTemporalInformationModified == "UNMODIFIED"


def test_file_meta_information_is_new() -> None:
    """Preamble and File Meta Information have nothing of the source but class and transfer syntax."""
    meta = {
        "SourceApplicationEntityTitle": "SCANNER7",
        "PrivateInformationCreatorUID": "1.2.3",
        "PrivateInformation": b"secret",
    }
    file = bytearray(part10(data_set(), meta=meta))
    file[:6] = b"secret"
    ds, content, done = made(bytes(file))
    assert b"SCANNER7" not in content
    assert b"secret" not in content
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID == done.instance == KEYS.uid(uid(1, 1, 1))


@pytest.mark.parametrize("encode", [part10, implicit, big_endian, deflated])
def test_encodings(encode: Callable[[Dataset], bytes]) -> None:
    """Objects of every native encoding are de-identified, with their pixels as they were."""
    ds, content, _ = made(encode(with_pixels(data_set())))
    assert b"Doe" not in content
    assert ds.pixel_array.tolist() == [list(range(8 * row, 8 * row + 8)) for row in range(8)]


@pytest.mark.spec("PS3.15 E.3.9 (2026c)")
def test_uids_are_the_same_wherever_they_stand() -> None:
    """A UID is replaced by the same one in every object, and in every reference to it; known ones stay."""
    one = of(data_set(instance=1))
    reference = item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID=uid(1, 1, 1))
    series = item(ReferencedSOPSequence=[reference], SeriesInstanceUID=uid(1, 1))
    evidence = item(ReferencedSeriesSequence=[series], StudyInstanceUID=uid(1))
    two = of(
        data_set(
            instance=2,
            FrameOfReferenceUID=uid(5),
            ReferencedImageSequence=[reference],
            CurrentRequestedProcedureEvidenceSequence=[evidence],
            ReferencedFrameOfReferenceUID=uid(5),
            SOPClassesSupported=["1.2.840.10008.1.1"],
        )
    )
    assert one.StudyInstanceUID == two.StudyInstanceUID != uid(1)
    assert one.SeriesInstanceUID == two.SeriesInstanceUID
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert two.ReferencedImageSequence[0].ReferencedSOPInstanceUID == one.SOPInstanceUID
    assert two.ReferencedImageSequence[0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    found = two.CurrentRequestedProcedureEvidenceSequence[0]
    assert found.StudyInstanceUID == one.StudyInstanceUID
    assert found.ReferencedSeriesSequence[0].SeriesInstanceUID == one.SeriesInstanceUID
    assert found.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == one.SOPInstanceUID
    assert two.FrameOfReferenceUID == two.ReferencedFrameOfReferenceUID
    assert two.SOPClassesSupported == "1.2.840.10008.1.1"
    kept = of(data_set(), Option.UIDS)
    assert (kept.StudyInstanceUID, kept.file_meta.MediaStorageSOPInstanceUID) == (uid(1), uid(1, 1, 1))


def test_another_secret_gives_other_uids() -> None:
    """Two projects share neither UIDs nor pseudonyms nor shifts."""
    other, _, _ = made(part10(data_set()), Option.MODIFIED_DATES, keys=Keys(b"y" * 32))
    ours = of(data_set(), Option.MODIFIED_DATES)
    for keyword in ("StudyInstanceUID", "PatientID", "StudyDate"):
        assert getattr(other, keyword) != getattr(ours, keyword)


@pytest.mark.spec("PS3.15 E.3.6 (2026c)")
def test_shifted_dates_keep_their_intervals() -> None:
    """Dates of one patient are moved by the same days in every object and item; times and zones stay."""
    one = of(data_set(), Option.MODIFIED_DATES)
    two = of(
        data_set(
            study=2,
            StudyDate="20260301",
            AcquisitionDateTime="20260301235959.5+0100",
            RequestAttributesSequence=[item(ScheduledProcedureStepID="s")],
            ScheduledProcedureStepStartDate="20260302",
        ),
        Option.MODIFIED_DATES,
    )

    def day(text: str) -> date:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))

    assert day(two.StudyDate) - day(one.StudyDate) == timedelta(days=58)
    assert one.StudyDate != "20260102"
    assert two.AcquisitionDateTime == f"{two.StudyDate}235959.5+0100"
    assert day(two.ScheduledProcedureStepStartDate) - day(two.StudyDate) == timedelta(days=1)
    assert two.StudyTime == "030405"
    full = of(data_set(), Option.FULL_DATES)
    assert (full.StudyDate, full.StudyTime, full.PatientBirthDate) == ("20260102", "030405", "")
    with config.disable_value_validation():
        broken = part10(data_set(ContentDate="soon"))
    assert b"soon" not in made(broken, Option.MODIFIED_DATES)[1]


@pytest.mark.spec("PS3.15 E.3.5 (2026c)")
def test_descriptions_are_cleaned() -> None:
    """Of descriptions only words known to medicine stay, and none by which somebody is known."""
    ds = of(
        data_set(
            PatientName="Chest^Brown",
            StudyDescription="CT chest of Mrs Brown with contrast for Dr House 12.03.1956",
            SeriesDescription="axial 5mm lung",
            ImageComments="xyzzy",
        ),
        Option.DESCRIPTORS,
    )
    assert (ds.StudyDescription, ds.SeriesDescription) == ("CT with contrast for", "axial 5mm lung")
    assert "ImageComments" not in ds


@pytest.mark.parametrize(
    ("option", "keyword", "value"),
    [
        (Option.INSTITUTION, "InstitutionName", "Clinic"),
        (Option.DEVICE, "DeviceSerialNumber", "4711"),
        (Option.DEVICE, "StationName", "CT1"),
        (Option.CHARACTERISTICS, "PatientAge", "040Y"),
        (Option.CHARACTERISTICS, "PatientSex", "F"),
    ],
)
def test_options_that_retain(option: Option, keyword: str, value: str) -> None:
    """What an option retains is there with it, and not without."""
    source = data_set()
    setattr(source, keyword, value)
    assert getattr(of(source, option), keyword) == value
    assert getattr(of(source), keyword, "") != value


@pytest.mark.spec("PS3.15 E.3.7 (2026c)")
@pytest.mark.parametrize(
    ("option", "keyword", "value"),
    [
        (Option.DEVICE, "StationName", "MUELLER_CT1"),
        (Option.DEVICE, "StationName", "room P4711"),
        (Option.DEVICE, "DeviceSerialNumber", "P4711"),
        (Option.INSTITUTION, "InstitutionName", "Müller's clinic"),
        (Option.INSTITUTION, "InstitutionAddress", "care of House, 1 Street"),
        (Option.CHARACTERISTICS, "EthnicGroup", "Mueller"),
    ],
)
def test_what_is_retained_names_nobody(option: Option, keyword: str, value: str) -> None:
    """A value that an option retains is replaced where a name of the object is in it, and that is told."""
    source = data_set(PatientName="Mueller^Eva", PatientID="P4711", OtherPatientNames="Müller^Eva")
    source.ReferringPhysicianName = "House^Gregory"
    with config.disable_value_validation():
        setattr(source, keyword, value)
        ds, _, done = made(part10(source), option)
    assert getattr(ds, keyword) in ("Removed", "REMOVED")
    assert done.tally["replaced in spite of an option, as somebody is named in it", keyword] == 1


def test_what_is_retained_names_itself() -> None:
    """A name that an option retains may stand in other attributes too."""
    source = data_set(InstitutionName="Clinic", StationName="Clinic CT", InstitutionalDepartmentName="North of Clinic")
    both = of(source, Option.INSTITUTION, Option.DEVICE)
    assert (both.StationName, both.InstitutionalDepartmentName) == ("Clinic CT", "North of Clinic")
    assert of(source, Option.DEVICE).StationName == "Removed"


@pytest.mark.spec("PS3.15 E.3.9 (2026c)")
def test_uids_that_name_the_patient_are_told_of() -> None:
    """A retained UID with the patient's identifier as a component stays, and is counted apart."""
    source = data_set(PatientID="471100815", FrameOfReferenceUID="1.2.471100815.3")
    ds, _, done = made(part10(source), Option.UIDS)
    assert ds.FrameOfReferenceUID == "1.2.471100815.3"
    told = "kept by an option, with an identifier of somebody in it"
    assert [name for action, name in done.tally if action == told] == ["FrameOfReferenceUID"]


@pytest.mark.spec("PS3.15 E.3.10 (2026c)")
def test_private_attributes() -> None:
    """Private attributes go, but with the option those that the object or the project says are safe."""
    ds = data_set()
    for group, creator in ((0x0019, "SAFE MAKER"), (0x0021, "MIXED MAKER"), (0x0029, "OTHER"), (0x0031, "LISTED")):
        block = ds.private_block(group, creator, create=True)
        block.add_new(0x01, "LO", f"first {group:04x}")
        block.add_new(0x02, "LO", f"second {group:04x}")
    ds.PrivateDataElementCharacteristicsSequence = [
        item(
            PrivateGroupReference=0x0019, PrivateCreatorReference="SAFE MAKER", BlockIdentifyingInformationStatus="SAFE"
        ),
        item(
            PrivateGroupReference=0x0021,
            PrivateCreatorReference="MIXED MAKER",
            BlockIdentifyingInformationStatus="MIXED",
            NonidentifyingPrivateElements=2,
        ),
    ]
    assert not [tag for tag in of(ds).keys() if tag.is_private]  # noqa: SIM118
    kept = of(ds, Option.SAFE_PRIVATE, safe_private=(SafePrivate("LISTED", 0x0031, 1),))
    found = {element.value for element in kept if element.tag.is_private}
    assert found == {
        "SAFE MAKER", "first 0019", "second 0019", "MIXED MAKER", "second 0021", "LISTED", "first 0031",
    }  # fmt: skip


@pytest.mark.spec("PS3.15 E.3.4 (2026c)")
def test_structured_content() -> None:
    """The content of a report goes, or with the option is kept with its texts, names and UIDs replaced."""
    name = item(ValueType="PNAME", RelationshipType="HAS OBS CONTEXT", PersonName="House^Gregory")
    text = item(ValueType="TEXT", RelationshipType="CONTAINS", TextValue="Jane is ill")
    number = item(ValueType="UIDREF", RelationshipType="CONTAINS", UID=uid(7))
    report = data_set(
        SOPClassUID=BasicTextSRStorage, Modality="SR", ValueType="CONTAINER", ContentSequence=[name, text, number]
    )
    basic = of(report)
    assert [one.TextValue for one in basic.ContentSequence] == ["Removed"]
    kept = of(report, Option.STRUCTURED).ContentSequence
    assert [one.ValueType for one in kept] == ["PNAME", "TEXT", "UIDREF"]
    assert (str(kept[0].PersonName), kept[1].TextValue, kept[2].UID) == ("Removed", "Removed", KEYS.uid(uid(7)))


@pytest.mark.spec("PS3.15 E.3.3 (2026c)")
def test_overlays_curves_and_graphics() -> None:
    """Overlays and curves go as wholes; with graphics cleaned, regions of interest and drawings without text stay."""
    ds = data_set()
    for group, kind in ((0x6000, "G"), (0x6002, "R")):
        ds.add_new((group << 16) + 0x0040, "CS", kind)
        ds.add_new((group << 16) + 0x0022, "LO", "drawn by Jane")
        ds.add_new((group << 16) + 0x3000, "OW", b"\1\2\3\4")
    ds.add_new(0x50000030, "SH", "axis")
    drawn = item(
        GraphicObjectSequence=[item(GraphicType="POLYLINE")], TextObjectSequence=[item(UnformattedTextValue="Jane")]
    )
    ds.GraphicAnnotationSequence = [drawn]
    basic = of(ds)
    assert not [tag for tag in basic.keys() if tag.group >> 8 in (0x50, 0x60)]  # noqa: SIM118
    assert len(basic.GraphicAnnotationSequence[0]) == 0
    kept = of(ds, Option.GRAPHICS)
    assert {tag.group for tag in kept.keys() if tag.group >> 8 in (0x50, 0x60)} == {0x6002}  # noqa: SIM118
    assert kept[0x6002, 0x3000].value == b"\1\2\3\4"
    assert kept[0x6002, 0x0022].value == "Removed"
    found = kept.GraphicAnnotationSequence[0]
    assert found.GraphicObjectSequence[0].GraphicType == "POLYLINE"
    assert found.TextObjectSequence[0].UnformattedTextValue == "Removed"


def test_what_the_table_does_not_name() -> None:
    """Unknown attributes go; names, dates and UIDs that are in no row are treated like those that are."""
    ds = data_set(
        ProtocolName="Jane Doe protocol",
        PatientID="P4711",
        ManufacturerModelName="made for P4711",
        SoftwareVersions="7",
        DoseReferenceStructureType="SITE",
    )
    ds.add_new(0x00080999, "LO", "unknown")
    ds.add_new(0x00189998, "UN", b"unknown too")
    found = of(ds)
    assert 0x00080999 not in found
    assert 0x00189998 not in found
    assert (found.ManufacturerModelName, found.SoftwareVersions) == ("Removed", "7")
    assert of(data_set(RetrieveURL=f"https://pacs.example/studies/{uid(1)}")).RetrieveURL == "urn:removed"


@pytest.mark.parametrize("value", ["2024-01-15", "20240115Smith", "20240115x", "20240115-20240120", "2024-0115"])
def test_what_is_no_date_is_not_taken_for_one(value: str) -> None:
    """Of a value that has more in it than a date nothing stays, as what is behind the date would not be moved."""
    with config.disable_value_validation():
        ds = of(data_set(StudyDate=value), Option.MODIFIED_DATES)
    assert ds.StudyDate == ""


@pytest.mark.parametrize("value", ["Doe", "20240115", "101500 Doe", "2024-01-15"])
def test_what_is_no_time_does_not_stay(value: str) -> None:
    """Of times only those stay that are no more than that."""
    with config.disable_value_validation():
        ds = of(data_set(StudyTime=value, SeriesTime="10:15:30", AcquisitionTime="101530.25"), Option.MODIFIED_DATES)
    assert (ds.StudyTime, ds.SeriesTime, ds.AcquisitionTime) == ("", "10:15:30", "101530.25")


@pytest.mark.parametrize("vr", ["LO", "OB"])
def test_a_sequence_that_is_none_goes(vr: str) -> None:
    """A reference whose representation is not that of a sequence is removed, and the object made all the same."""
    ds = data_set()
    ds.add_new(0x00081140, vr, b"of" if vr == "OB" else "of")
    assert "ReferencedImageSequence" not in of(ds)


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00180015, "CS", b"DOE "),
        (0x00180050, "DS", b"Doe^Jane"),
        (0x00280034, "IS", b"Jane"),
        (0x00180050, "OB", b"Doe^Jane"),
    ],
)
def test_a_name_where_none_belongs_goes(tag: int, vr: str, value: bytes) -> None:
    """Codes, numbers and bytes that the table does not name have no name of the object in them afterwards."""
    with config.disable_value_validation():
        ds = data_set(PatientName="Doe^Jane")
        ds[tag] = RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)
        content = made(part10(ds))[1].lower()
    assert b"doe" not in content
    assert b"jane" not in content


def test_a_number_that_is_like_an_identifier_stays() -> None:
    """Numbers are numbers, also when a patient is called so."""
    assert of(data_set(PatientID="120", KVP="120")).KVP == 120


@pytest.mark.parametrize("tag", [0x00080016, 0x00080018])
def test_an_object_that_cannot_be_read_is_refused(tag: int) -> None:
    """Whatever the library says of a broken object is a refusal of that one, so that others are made."""
    file = part10(data_set())
    at = file.index(pack("<HH2s", tag >> 16, tag & 0xFFFF, b"UI"))
    with pytest.raises(HealixError) as refused:
        made(file[: at + 4] + b"US" + file[at + 6 :])
    assert refused.value.category is Category.UNPROCESSABLE
