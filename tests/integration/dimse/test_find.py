"""C-FIND as other makers' programs ask it, against the whole service."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom import Dataset, dcmread
from pynetdicom import AE, build_context
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from dicomweb.dimse import peers
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.peers import Right
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.settings import Settings
from tests.support.charsets import TEXTS, charset_files, dumped
from tests.support.dicom import data_set, part10, uid
from tests.support.dimse import EXPLICIT, IMPLICIT, Peer, command, p_data, pdu, proposal, request_body
from tests.support.dimse_service import CALLER, serving_dimse
from tests.support.study import Store, open_store
from tests.support.tools import require_tool

Pool = ConnectionPool[Connection[Row]]
LIMITS = Limits(drain=2, matches=150)
PATIENT_ROOT, STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.1.1", "1.2.840.10008.5.1.4.1.2.2.1"
SUCCESS, PENDING, WARNED, CANCELLED, MANY, MISMATCH = 0x0000, 0xFF00, 0xFF01, 0xFE00, 0xA700, 0xA900
ALL = b"\1\1\1\1\0"


@dataclass
class Archive:
    """A running service with a study store behind it."""

    port: int
    store: Store

    def find(
        self,
        level: str | None,
        model: str = STUDY_ROOT,
        *,
        extended: bytes = b"",
        syntax: str = EXPLICIT,
        **keys: Any,
    ) -> tuple[int, list[tuple[int, Dataset]]]:
        """The last status, and each match with its status."""
        ds = Dataset()
        if level is not None:
            ds.QueryRetrieveLevel = level
        for keyword, value in keys.items():
            setattr(ds, keyword, value)
        return self.ask(ds, model, extended=extended, syntax=syntax)

    def ask(
        self, ds: Dataset, model: str = STUDY_ROOT, *, extended: bytes = b"", syntax: str = EXPLICIT
    ) -> tuple[int, list[tuple[int, Dataset]]]:
        """The same for a whole identifier."""
        entity = AE(ae_title=CALLER)
        negotiation = []
        if extended:
            item = SOPClassExtendedNegotiation()
            item.sop_class_uid, item.service_class_application_information = model, extended
            negotiation = [item]
        association = entity.associate(
            "127.0.0.1",
            self.port,
            contexts=[build_context(model, [syntax])],
            ae_title="HEALIX",
            ext_neg=negotiation,  # type: ignore[arg-type]
        )
        assert association.is_established
        try:
            answers = [(status.Status, match) for status, match in association.send_c_find(ds, model)]
        finally:
            association.release()
        last, match = answers.pop()
        assert match is None
        return last, answers  # type: ignore[return-value]


@pytest.fixture
def archive(pool: Pool, tmp_path: Path) -> Iterator[Archive]:
    """Two patients: three studies of P1 and one of P2, with two series of two images each."""
    settings = replace(Settings(), data_dir=tmp_path / "data")
    store = open_store(pool, settings.data_dir / "images")
    for study, patient in ((1, "P1"), (2, "P1"), (3, "P1"), (4, "P2")):
        files = [
            part10(
                data_set(
                    study,
                    series,
                    instance,
                    PatientID=patient,
                    PatientName="Doe^Jane" if patient == "P1" else "Müller^Hans",
                    SpecificCharacterSet="ISO_IR 100",
                    StudyDate=f"202601{study:02}",
                    Modality="CT" if series == 1 else "MR",
                )
            )
            for series in (1, 2)
            for instance in (1, 2)
        ]
        store.add(*files)
    with serving_dimse(settings, pool, LIMITS) as port:
        yield Archive(port, store)


def values(answers: Sequence[tuple[int, Dataset]], keyword: str) -> list[Any]:
    """The values of an attribute in the matches."""
    return [match.get(keyword) for _, match in answers]


@pytest.mark.spec("PS3.4 C.4.1.1.3.2 (2024d)")
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_matches_have_what_was_asked_for_and_no_more(archive: Archive, syntax: str) -> None:
    """Each key is returned, empty where there is no value, with the level and where to retrieve; nothing else is."""
    status, answers = archive.find(
        "STUDY", syntax=syntax, PatientID="P2", PatientName="", StudyID="", InstitutionName="", StudyInstanceUID=""
    )
    assert status == SUCCESS
    ((pending, match),) = answers
    assert pending == PENDING
    assert {element.keyword: element.value for element in match} == {
        "SpecificCharacterSet": "ISO_IR 192",
        "QueryRetrieveLevel": "STUDY",
        "RetrieveAETitle": "HEALIX",
        "InstanceAvailability": "ONLINE",
        "InstitutionName": "",
        "PatientName": "Müller^Hans",
        "PatientID": "P2",
        "StudyInstanceUID": uid(4),
        "StudyID": "S4",
    }


OF_PATIENT = {f"NumberOfPatientRelated{what}": "" for what in ("Studies", "Series", "Instances")}
LEVELS: list[tuple[str, str, dict[str, Any], str, list[Any]]] = [
    (PATIENT_ROOT, "PATIENT", {"PatientID": ""}, "PatientID", ["P1", "P2"]),
    (PATIENT_ROOT, "PATIENT", {"PatientName": "M*"}, "PatientID", ["P2"]),
    (PATIENT_ROOT, "PATIENT", {"NumberOfPatientRelatedStudies": ""}, "NumberOfPatientRelatedStudies", [3, 1]),
    (PATIENT_ROOT, "PATIENT", {"NumberOfPatientRelatedInstances": ""}, "NumberOfPatientRelatedInstances", [12, 4]),
    (STUDY_ROOT, "STUDY", {"StudyDate": "20260103-", **OF_PATIENT}, "NumberOfPatientRelatedStudies", [1, 3]),
    (STUDY_ROOT, "STUDY", {"StudyDate": "20260103-", **OF_PATIENT}, "NumberOfPatientRelatedInstances", [4, 12]),
    (STUDY_ROOT, "STUDY", {"StudyDate": "20260103-", **OF_PATIENT}, "PatientID", [None, None]),
    (PATIENT_ROOT, "STUDY", {"PatientID": "P1", "StudyDate": "20260102-"}, "StudyInstanceUID", [uid(3), uid(2)]),
    (STUDY_ROOT, "STUDY", {"ModalitiesInStudy": "MR"}, "NumberOfStudyRelatedInstances", [None] * 4),
    (STUDY_ROOT, "STUDY", {"NumberOfStudyRelatedSeries": ""}, "NumberOfStudyRelatedSeries", [2] * 4),
    (STUDY_ROOT, "STUDY", {"PatientName": "müller^*", "SpecificCharacterSet": "ISO_IR 192"}, "PatientID", [None]),
    (STUDY_ROOT, "SERIES", {"StudyInstanceUID": uid(1), "Modality": ""}, "Modality", ["CT", "MR"]),
    (STUDY_ROOT, "SERIES", {"StudyInstanceUID": uid(1), "Modality": "M?"}, "SeriesInstanceUID", [uid(1, 2)]),
    (
        STUDY_ROOT,
        "IMAGE",
        {"StudyInstanceUID": uid(1), "SeriesInstanceUID": uid(1, 1), "InstanceNumber": "2"},
        "SOPInstanceUID",
        [uid(1, 1, 2)],
    ),
]


@pytest.mark.spec("PS3.4 C.6.1.1 (2024d)", "PS3.4 C.6.2.1 (2024d)", "PS3.4 Table C.6-5 (2024d)")
@pytest.mark.parametrize(("model", "level", "keys", "keyword", "found"), LEVELS)
@pytest.mark.filterwarnings("ignore:Invalid value for VR CS:UserWarning")
def test_each_level(
    archive: Archive, model: str, level: str, keys: dict[str, Any], keyword: str, found: list[Any]
) -> None:
    """Patients, studies, series and images are found by their keys, matched as by QIDO-RS."""
    status, answers = archive.find(level, model, **keys)
    assert status == SUCCESS
    assert values(answers, keyword) == found


@pytest.mark.spec("PS3.4 C.3.4 (2025a)")
def test_the_regions_of_studies(archive: Archive) -> None:
    """A code in the item of the key finds; an empty key, or item, returns the regions as items of what was asked."""
    archive.store.add(part10(data_set(5, 1, 1, BodyPartExamined="HEAD")))

    def asked(*items: dict[str, str]) -> list[tuple[str, list[dict[str, str]]]]:
        regions = [Dataset() for _ in items]
        for region, item in zip(regions, items, strict=True):
            for keyword, value in item.items():
                setattr(region, keyword, value)
        keys: dict[str, Any] = {"AnatomicRegionsInStudyCodeSequence": regions, "StudyInstanceUID": ""}
        status, answers = archive.find("STUDY", **keys)
        assert {status, *(pending for pending, _ in answers)} == ({SUCCESS, PENDING} if answers else {SUCCESS})
        return [
            (
                match.StudyInstanceUID,
                [{one.keyword: one.value for one in item} for item in match.AnatomicRegionsInStudyCodeSequence],
            )
            for _, match in answers
        ]

    head = {"CodeValue": "69536005", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Head"}
    none: list[tuple[str, list[dict[str, str]]]] = [(uid(study), []) for study in (4, 3, 2, 1)]
    assert sorted(asked()) == sorted([(uid(5), [head]), *none])
    assert sorted(asked(dict.fromkeys(head, ""))) == sorted([(uid(5), [head]), *none])
    assert asked({"CodeValue": "69536005", "CodingSchemeDesignator": "SCT"}) == [
        (uid(5), [{"CodeValue": "69536005", "CodingSchemeDesignator": "SCT"}])
    ]
    assert asked({"CodeValue": "69536005", "CodingSchemeDesignator": "99X"}) == []


def test_retired_patient_study_only_model(archive: Archive) -> None:
    """The retired model has patients and studies."""
    retired = "1.2.840.10008.5.1.4.1.2.3.1"
    assert values(archive.find("STUDY", retired, PatientID="P2", StudyInstanceUID="")[1], "StudyInstanceUID") == [
        uid(4)
    ]
    assert archive.find("SERIES", retired, PatientID="P2", StudyInstanceUID=uid(4))[0] == MISMATCH


@pytest.mark.spec("PS3.4 C.4.1.3.2 (2024d)")
def test_relational_queries_when_negotiated(archive: Archive) -> None:
    """Without the keys above a query is refused; agreed on at negotiation, it finds across studies."""
    assert archive.find("SERIES", Modality="MR") == (MISMATCH, [])
    status, answers = archive.find("SERIES", extended=ALL, Modality="MR", PatientID="P1")
    assert (status, sorted(values(answers, "SeriesInstanceUID"))) == (SUCCESS, [uid(1, 2), uid(2, 2), uid(3, 2)])


@pytest.mark.spec("PS3.4 C.2.2.2.1.1 (2024d)")
def test_fuzzy_names_when_negotiated(archive: Archive) -> None:
    """A name in another order and spelling is found only where fuzzy matching was agreed on."""
    keys: dict[str, Any] = {"PatientName": "hans mueller", "PatientID": ""}
    assert values(archive.find("STUDY", **keys)[1], "PatientID") == []
    assert values(archive.find("STUDY", extended=ALL, **keys)[1], "PatientID") == ["P2"]


@pytest.mark.spec("PS3.4 C.2.2.2.5 (2024d)")
def test_dates_and_times_are_one_moment_only_when_negotiated(archive: Archive) -> None:
    """A range of dates and one of times are two keys, or the ends of one range where that was agreed on."""
    keys: dict[str, Any] = {"StudyDate": "20260101-20260103", "StudyTime": "020000-030000", "StudyInstanceUID": ""}
    assert values(archive.find("STUDY", **keys)[1], "StudyInstanceUID") == []
    assert values(archive.find("STUDY", extended=ALL, **keys)[1], "StudyInstanceUID") == [uid(2), uid(1)]


@pytest.mark.spec("PS3.4 C.4.1.1.4 (2024d)")
@pytest.mark.parametrize(
    ("level", "keys", "status"),
    [
        ("PATIENT", {}, MISMATCH),
        (None, {"PatientID": "P1"}, MISMATCH),
        ("SERIES", {}, MISMATCH),
        ("STUDY", {"StudyDate": "yesterday"}, MISMATCH),
        ("STUDY", {"StudyInstanceUID": "1.2.*"}, MISMATCH),
        ("STUDY", {"NumberOfStudyRelatedSeries": "1\\2"}, MISMATCH),
    ],
)
@pytest.mark.filterwarnings("ignore:.*Invalid value for VR:UserWarning")
def test_refusals(archive: Archive, level: str | None, keys: dict[str, Any], status: int) -> None:
    """What does not suit the SOP class is A900H, on record as refused, and the next query is answered."""
    assert archive.find(level, **keys) == (status, [])
    assert archive.find("STUDY", PatientID="P2")[0] == SUCCESS
    (refused,) = archive.store.sql("SELECT client FROM audit_event WHERE subtype = 'C-FIND' AND outcome = 4")
    assert refused == (CALLER,)


def test_keys_that_are_not_supported_are_told(archive: Archive) -> None:
    """A key that the index does not hold narrows nothing, and each match says FF01H."""
    status, answers = archive.find("STUDY", PatientID="P2", PatientComments="x")
    assert (status, [pending for pending, _ in answers]) == (SUCCESS, [WARNED])


def test_return_keys_out_of_the_objects(archive: Archive) -> None:
    """What the index does not hold is returned from the object itself, also within sequences and private blocks."""
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "C", "99", "Chest"
    ds = data_set(9, PatientID="P9", PatientComments="quiet", ProcedureCodeSequence=[code], OtherStudyNumbers="7")
    ds.private_block(0x0019, "ACME", create=True).add_new(0x01, "LO", "secret sauce")
    archive.store.add(part10(ds))
    wanted = Dataset()
    wanted.CodeMeaning = ""
    keys: dict[str, Any] = {"PatientComments": "", "OtherStudyNumbers": "", "ProcedureCodeSequence": [wanted]}
    ((pending, match),) = archive.find("STUDY", PatientID="P9", **keys)[1]
    assert (pending, match.PatientComments, match.OtherStudyNumbers) == (PENDING, "quiet", 7)
    (item,) = match.ProcedureCodeSequence
    assert [element.keyword for element in item] == ["CodeMeaning"]
    private = Dataset()
    private.QueryRetrieveLevel, private.StudyInstanceUID, private.SeriesInstanceUID = "IMAGE", uid(9), uid(9, 1)
    private.private_block(0x0019, "ACME", create=True).add_new(0x01, "LO", "")
    ((_, match),) = archive.ask(private)[1]
    assert match.private_block(0x0019, "ACME")[0x01].value == "secret sauce"


@pytest.mark.spec("PS3.4 C.4.1.1.3.2 (2024d)")
@pytest.mark.parametrize("script", [script for script in TEXTS if script != "chinese, extended"])
def test_character_sets_of_request_and_answer(archive: Archive, script: str) -> None:
    """A name asked for in its own character set is found whatever set it was stored in, and said in that set."""
    terms, name, _ = TEXTS[script]
    archive.store.add(*(file for one, file in charset_files() if one == f"charsets/{script}"))
    patient = f"CS{list(TEXTS).index(script)}"
    _, answers = archive.find("STUDY", SpecificCharacterSet=terms, PatientName=name, PatientID=patient)
    ((_, match),) = answers
    assert (str(match.PatientName), match.get("SpecificCharacterSet", "")) == (name, terms)


def test_many_matches_come_in_pages_and_end_at_the_limit(archive: Archive) -> None:
    """More matches than one page come each once, newest first; more than the limit end with A700H."""
    archive.store.add(*(part10(data_set(study, PatientID="MANY", StudyDate=None)) for study in range(100, 240)))
    status, answers = archive.find("STUDY", PatientID="MANY", StudyInstanceUID="")
    assert status == SUCCESS
    assert values(answers, "StudyInstanceUID") == [uid(study) for study in range(239, 99, -1)]
    archive.store.add(*(part10(data_set(study, PatientID="MANY")) for study in range(300, 311)))
    status, answers = archive.find("STUDY", PatientID="MANY", StudyInstanceUID="")
    assert (status, len(answers)) == (MANY, 150)


@pytest.mark.spec("PS3.7 9.3.2.3 (2024d)")
def test_cancel(archive: Archive) -> None:
    """A C-CANCEL that has come before the matches ends the query with FE00H."""
    ask = command({0x0002: STUDY_ROOT, 0x0100: 0x0020, 0x0110: 7, 0x0700: 0, 0x0800: 1})
    cancel = command({0x0100: 0x0FFF, 0x0120: 7, 0x0800: 0x0101})
    keys = b"\x08\0\x52\0CS\x06\0STUDY "
    with Peer(archive.port) as peer:
        peer.send(pdu(1, request_body([proposal(1, STUDY_ROOT, [EXPLICIT])])))
        assert peer.read() is not None
        peer.send(p_data(1, 3, ask) + p_data(1, 2, keys) + p_data(1, 3, cancel))
        assert peer.status() == CANCELLED


def test_queries_are_on_record(archive: Archive) -> None:
    """The trail says who searched with which keys, and whose studies were shown, as for QIDO-RS."""
    archive.find("STUDY", PatientID="P2", StudyDate="")
    assert archive.store.sql(
        "SELECT action, outcome, client, query FROM audit_event WHERE subtype = 'query-study'"
    ) == [("E", 0, CALLER, "StudyDate=&PatientID=P2")]


@pytest.mark.parametrize("right", [Right.ECHO, Right.STORE, Right.GET, Right.MOVE])
def test_without_the_right_nothing_is_found(archive: Archive, right: Right) -> None:
    """A peer without the right to find gets no presentation context for it, whatever else it may."""
    transaction(archive.store.pool, lambda: peers.add(CALLER, "127.0.0.1", 104, [right]))
    entity = AE(ae_title=CALLER)
    association = entity.associate(
        "127.0.0.1", archive.port, contexts=[build_context(STUDY_ROOT, [EXPLICIT])], ae_title="HEALIX"
    )
    assert not association.is_established


def test_findscu(archive: Archive, tmp_path: Path) -> None:
    """The findscu of dcmtk finds studies and writes the answers to files."""
    tool = require_tool("findscu")
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=Doe*", "-k", "StudyInstanceUID", "-k", "StudyDate"]
    options = ["-S", "-X", "-od", str(tmp_path), "-aet", CALLER, "-aec", "HEALIX", "127.0.0.1", str(archive.port)]
    subprocess.run([tool, *options, *keys], check=True, timeout=60, capture_output=True)
    found = [dcmread(path, force=True) for path in sorted(tmp_path.glob("rsp*.dcm"))]
    assert [one.StudyInstanceUID for one in found] == [uid(3), uid(2), uid(1)]


@pytest.mark.spec("PS3.4 C.4.1.1.3.2 (2024d)")
@pytest.mark.parametrize("script", [script for script in TEXTS if script != "chinese, extended"])
def test_dcmdump_reads_what_findscu_got(archive: Archive, tmp_path: Path, script: str) -> None:
    """Answers in each character set are read by the tools of dcmtk as they were meant."""
    terms, name, text = TEXTS[script]
    archive.store.add(*(file for one, file in charset_files() if one == f"charsets/{script}"))
    patient = f"CS{list(TEXTS).index(script)}"
    told = terms if isinstance(terms, str) else "\\".join(terms)
    returned = [f"SpecificCharacterSet={told}", "PatientName", "StudyDescription"]
    keys = ["QueryRetrieveLevel=STUDY", f"PatientID={patient}", "StudyInstanceUID", *returned]
    target = ["-S", "-X", "-od", str(tmp_path), "-aet", CALLER, "-aec", "HEALIX", "127.0.0.1", str(archive.port)]
    asked = [part for key in keys for part in ("-k", key)]
    subprocess.run([require_tool("findscu"), *target, *asked], check=True, timeout=60, capture_output=True)
    (answer,) = tmp_path.glob("rsp*.dcm")
    shown = dumped(answer, terms)
    assert (name if "ISO 2022 IR 13" not in terms else name.partition("=")[2]) in shown
    assert text in shown
