"""The modality worklist as other makers' programs see it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE

from dicomweb.dimse import peers, worklist
from dicomweb.dimse.admission import Caller, opened
from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.peers import Right
from dicomweb.dimse.worklist import worklist_service
from dicomweb.procedure.scheduled import search as searching
from dicomweb.procedure.scheduled.operate import add
from dicomweb.procedure.scheduled.search import Page, Place, Query, search
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Row, Work, transaction
from healix_fhir.kernel.settings import Settings
from smart_auth.access import AccessContext
from tests.support.charsets import TEXTS, dumped
from tests.support.dimse_service import serving_dimse
from tests.support.exchange import accepted, answered
from tests.support.tools import require_tool

Pool = ConnectionPool[Connection[Row]]
ModalityWorklistInformationFind = UID("1.2.840.10008.5.1.4.31")
LIMITS = Limits(drain=2)
STEP = {
    "Modality": "CT",
    "ScheduledProcedureStepStartDate": "20260301",
    "ScheduledProcedureStepStartTime": "083000",
    "ScheduledStationAETitle": ["CT1"],
    "ScheduledProcedureStepDescription": "Head",
}


@dataclass
class Station:
    """A running service and the pool behind it."""

    port: int
    pool: Pool

    def schedule(self, step: dict[str, Any] | None = None, **attributes: Any) -> None:
        """Put a step on the list."""
        plain = {"PatientID": "P1", "PatientName": "Doe^Jane"}
        transaction(self.pool, lambda: add(plain | attributes, STEP | (step or {}), None))

    def trail(self) -> list[Row]:
        """What the audit trail says of queries."""
        with self.pool.connection() as connection:
            return connection.execute(
                "SELECT outcome, client FROM audit_event WHERE subtype = 'query-worklist' ORDER BY seq"
            ).fetchall()


@pytest.fixture
def station(pool: Pool, tmp_path: Path) -> Iterator[Station]:
    """The service on a port of its own, with the peer MODALITY."""
    settings = replace(Settings(), data_dir=tmp_path / "data")
    with serving_dimse(settings, pool, LIMITS) as port:
        yield Station(port, pool)


def keys(**changes: Any) -> Dataset:
    """An identifier; those of `step__` are of the scheduled step."""
    found, step = Dataset(), Dataset()
    for keyword, value in changes.items():
        setattr(step if keyword.startswith("step__") else found, keyword.removeprefix("step__"), value)
    found.ScheduledProcedureStepSequence = [step]
    return found


def find(station: Station, identifier: Dataset, calling: str = "MODALITY") -> list[tuple[int, Dataset | None]]:
    """Statuses and identifiers of all responses, by pynetdicom."""
    entity = AE(ae_title=calling)
    entity.add_requested_context(ModalityWorklistInformationFind)
    association = entity.associate("127.0.0.1", station.port, ae_title="HEALIX")
    assert association.is_established
    try:
        found = list(association.send_c_find(identifier, ModalityWorklistInformationFind))
    finally:
        association.release()
    return [(status.Status, one) for status, one in found]


@pytest.mark.spec("DICOM PS3.4 K.4.1.3")
def test_findscu_gets_the_worklist(station: Station, tmp_path: Path) -> None:
    """With dcmtk's usual keys."""
    station.schedule()
    station.schedule({"Modality": "MR", "ScheduledStationAETitle": ["MR1"]}, PatientID="P2", PatientName="Roe^Rick")
    tool = require_tool("findscu")
    arguments = [
        tool, "-v", "-W", "-aet", "MODALITY", "-aec", "HEALIX", "-X", "-od", str(tmp_path), "127.0.0.1",
        str(station.port), "-k", "PatientName", "-k", "PatientID", "-k", "AccessionNumber", "-k", "StudyInstanceUID",
        "-k", "(0040,0100)[0].Modality=CT", "-k", "(0040,0100)[0].ScheduledStationAETitle=CT1",
        "-k", "(0040,0100)[0].ScheduledProcedureStepStartDate=20260301-20260301",
        "-k", "(0040,0100)[0].ScheduledProcedureStepStartTime=0800-0900",
        "-k", "(0040,0100)[0].ScheduledProcedureStepID",
    ]  # fmt: skip
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = tmp_path.glob("rsp*.dcm")
    found = pydicom.dcmread(file, force=True)
    assert (found.PatientName, found.PatientID) == ("Doe^Jane", "P1")
    assert found.AccessionNumber.startswith("HX")
    (step,) = found.ScheduledProcedureStepSequence
    assert (step.Modality, step.ScheduledStationAETitle, step.ScheduledProcedureStepStartDate) == (
        "CT", "CT1", "20260301",
    )  # fmt: skip


@pytest.mark.spec("DICOM PS3.4 K.4.1.1.4")
def test_statuses_of_a_query(station: Station) -> None:
    """Pending, with a warning where a key is not supported, then success; malformed keys are refused."""
    station.schedule()
    assert [status for status, _ in find(station, keys(PatientID=""))] == [0xFF00, 0x0000]
    assert [status for status, _ in find(station, keys(PatientID="", SeriesDescription=""))] == [0xFF01, 0x0000]
    assert find(station, keys(PatientID="nobody")) == [(0x0000, None)]
    assert [status for status, _ in find(station, keys(step__ScheduledProcedureStepStartDate="20260302-20260301"))] == [
        0xA900
    ]
    assert station.trail()[-1] == (4, "MODALITY")


@pytest.mark.spec("DICOM PS3.4 K.4.1.1.3.2")
def test_an_answer_has_the_keys_of_the_request_alone(station: Station) -> None:
    """Those without a value too."""
    station.schedule()
    (_, found), _ = find(station, keys(PatientID="", AdmissionID="", step__Modality="", step__ScheduledStationName=""))
    assert found is not None
    assert [element.keyword for element in found] == ["PatientID", "AdmissionID", "ScheduledProcedureStepSequence"]
    (step,) = found.ScheduledProcedureStepSequence
    assert [(element.keyword, element.value) for element in step] == [("Modality", "CT"), ("ScheduledStationName", "")]


@pytest.mark.spec("DICOM PS3.4 K.4.1.1.3.1")
@pytest.mark.parametrize("name", sorted(TEXTS))
def test_answers_are_read_right_in_every_character_set(station: Station, tmp_path: Path, name: str) -> None:
    """By pydicom and by dcmdump, with the name as key in that set too, where pydicom can write it."""
    terms, person, text = TEXTS[name]
    station.schedule({"ScheduledProcedureStepDescription": text}, PatientName=person)
    station.schedule(PatientName="Other^One")
    sought = person.partition("=")[0] if "ISO 2022 IR 58" in terms else person  # pydicom writes no escapes
    identifier = keys(PatientName=sought, step__ScheduledProcedureStepDescription="")
    if terms:
        identifier.SpecificCharacterSet = terms
    (status, found), _ = find(station, identifier)
    assert status == 0xFF00
    assert found is not None
    path = tmp_path / "answer.dcm"
    found.save_as(path, implicit_vr=True, little_endian=True)
    if "ISO 2022 IR 58" not in terms:  # whose escapes pydicom leaves in the text
        assert str(found.PatientName) == person
        assert found.ScheduledProcedureStepSequence[0].ScheduledProcedureStepDescription == text
    shown = dumped(path, terms)
    assert (person if "ISO 2022 IR 13" not in terms else person.partition("=")[2]) in shown
    assert text in shown


@pytest.mark.spec("DICOM PS3.4 K.4.1.3")
def test_a_cancelled_query_ends(station: Station) -> None:
    """FE00H, after some answers at most."""
    for number in range(60):
        station.schedule(PatientID=f"P{number}")
    entity = AE(ae_title="MODALITY")
    entity.add_requested_context(ModalityWorklistInformationFind)
    association = entity.associate("127.0.0.1", station.port, ae_title="HEALIX")
    statuses: list[int] = []
    for status, _ in association.send_c_find(keys(PatientID=""), ModalityWorklistInformationFind, msg_id=7):
        if not statuses:
            association.send_c_cancel(7, query_model=ModalityWorklistInformationFind)
        statuses.append(status.Status)
    association.release()
    assert statuses[-1] in (0xFE00, 0x0000)  # all of a short list may be under way before the cancel is heard


def test_a_query_without_matches_is_cancelled_too(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever cancels does not wait for the end of a long list of which nothing matches."""
    looked: list[Place] = []

    def counted(access: AccessContext, asked: Query, after: Place) -> Work[Page]:
        looked.append(after)
        return search(access, asked, after)

    monkeypatch.setattr(searching, "PAGE", 1)
    monkeypatch.setattr(worklist, "search", counted)
    for _ in range(4):
        station.schedule()
    rights = frozenset({Right.WORKLIST})
    access = AccessContext(opened(rights, known=True), Origin(client="MODALITY"))
    model = str(ModalityWorklistInformationFind)
    caller = Caller("MODALITY", rights, access)
    service = worklist_service(caller, lambda make: transaction(station.pool, make), lambda _: None)
    command: Command = {Element.AffectedSOPClassUID: model, Element.CommandField: CommandField.C_FIND_RQ}
    nobody = b"\x10\0\x10\0PN\x06\0Nobody"
    assert answered(service, command, accepted(model), nobody, lambda: len(looked) == 2).statuses == [0xFE00]
    assert len(looked) == 2


def test_keys_that_no_value_has_find_nothing(station: Station) -> None:
    """A NUL, which the database knows no character for, and very many wild cards."""
    station.schedule()
    for key in ("P\0" + "1", "*P" * 30):
        identifier = keys()
        identifier.PatientID = DataElement("PatientID", "LO", key, validation_mode=pydicom.config.IGNORE).value
        assert find(station, identifier) == [(0x0000, None)]


def test_the_trail_tells_what_was_asked_for(station: Station) -> None:
    """Names as they are written, and keys of the step with its tag before theirs."""
    station.schedule()
    find(station, keys(PatientName="Doe*", AdmissionID="", step__Modality="CT"))
    with station.pool.connection() as connection:
        rows = connection.execute("SELECT query FROM audit_event WHERE subtype = 'query-worklist'").fetchall()
    assert rows == [("00100010=Doe*&00400100.00080060=CT",)]


@pytest.mark.parametrize(
    ("rights", "accepted"),
    [(set(Right), True), ({Right.WORKLIST}, True), (set(Right) - {Right.WORKLIST}, False), ({Right.ECHO}, False)],
)
def test_who_lacks_the_right_gets_no_context(station: Station, rights: set[Right], accepted: bool) -> None:
    """Whatever else the peer may do."""
    transaction(station.pool, lambda: peers.add("CARELESS", "127.0.0.1", 104, rights))
    entity = AE(ae_title="CARELESS")
    entity.add_requested_context(ModalityWorklistInformationFind)
    entity.add_requested_context("1.2.840.10008.1.1")
    association = entity.associate("127.0.0.1", station.port, ae_title="HEALIX")
    contexts = {context.abstract_syntax for context in association.accepted_contexts}
    if association.is_established:
        association.release()
    assert (ModalityWorklistInformationFind in contexts) is accepted
