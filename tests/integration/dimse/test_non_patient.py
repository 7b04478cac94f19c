"""What is of no patient, over DIMSE: stored, found and retrieved by pynetdicom against the whole service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom import DataElement, Dataset
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from dicomweb.dimse import peers
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.peers import Right
from dicomweb.non_patient.models import BY_CLASS, MODELS
from healix_fhir.kernel.database import Row, open_pool, transaction
from healix_fhir.kernel.settings import Settings
from tests.support.dicom import uid
from tests.support.dimse import EXPLICIT, IMPLICIT
from tests.support.dimse_service import CALLER, serving_dimse
from tests.support.non_patient import (
    CT_PROTOCOL,
    EACH,
    HANGING,
    INVENTORY,
    PALETTE,
    code,
    hanging,
    instance,
    item,
    palette,
)
from tests.support.storage_peers import receiving

Pool = ConnectionPool[Connection[Row]]
SUCCESS, PENDING, WARNED, MISMATCH = 0x0000, 0xFF00, 0xFF01, 0xA900
NOT_SUPPORTED, DUPLICATE, UNDERSTAND, REFUSED = 0x0122, 0x0111, 0xC000, 0x0124
OBJECTS = [one for objects in EACH.values() for one in objects]
BY_NAME = {model.name: model for model in MODELS}
HANGINGS, PALETTES = BY_NAME["Hanging Protocol"], BY_NAME["Color Palette"]


def identifier(**keys: Any) -> Dataset:
    """Keys, whatever their values."""
    made = Dataset()
    for keyword, value in keys.items():
        made.add(DataElement(keyword, dictionary_VR(keyword), value, validation_mode=IGNORE))
    return made


@dataclass
class Service:
    """A running service, and the database behind it."""

    port: int
    pool: Pool
    got: list[Dataset] = field(default_factory=list)

    def rows(self, sql: str, *params: object) -> list[Row]:
        """What the database has."""
        with self.pool.connection() as connection:
            return connection.execute(sql, params).fetchall()

    def store(self, one: Dataset, *, syntax: str = EXPLICIT, caller: str = CALLER) -> int | None:
        """The status of its C-STORE; None where its context is refused."""
        entity = AE(ae_title=caller)
        entity.add_requested_context(one.SOPClassUID, [syntax])
        association = entity.associate("127.0.0.1", self.port, ae_title="HEALIX")
        if not association.is_established:
            return None
        try:
            sent = Dataset(one)
            sent.file_meta = FileMetaDataset()
            sent.file_meta.TransferSyntaxUID = UID(syntax)
            return int(association.send_c_store(sent).Status)
        finally:
            association.release()

    def find(self, model: str, *, fuzzy: bool = False, **keys: Any) -> tuple[int, list[tuple[int, Dataset]]]:
        """The last status, and each match with its status."""
        asked = SOPClassExtendedNegotiation()
        asked.sop_class_uid, asked.service_class_application_information = model, b"\1\1\1"
        entity = AE(ae_title=CALLER)
        entity.add_requested_context(model, [EXPLICIT])
        association = entity.associate("127.0.0.1", self.port, ae_title="HEALIX", ext_neg=[asked] if fuzzy else [])
        try:
            answers = [(status.Status, found) for status, found in association.send_c_find(identifier(**keys), model)]
        finally:
            association.release()
        return answers[-1][0], [(status, found) for status, found in answers if found is not None]

    def get(self, model: str, classes: list[str], **keys: Any) -> tuple[list[int], list[Dataset]]:
        """The statuses of a C-GET, and what came."""
        got: list[Dataset] = []

        def stored(event: Event) -> int:
            got.append(event.dataset)
            return SUCCESS

        entity = AE(ae_title=CALLER)
        contexts = [build_context(model, [EXPLICIT]), *(build_context(one, [EXPLICIT]) for one in classes)]
        roles: list[Any] = [build_role(one, scp_role=True) for one in classes]
        association = entity.associate(
            "127.0.0.1", self.port, contexts=contexts, ae_title="HEALIX", ext_neg=roles,
            evt_handlers=[(evt.EVT_C_STORE, stored)],
        )  # fmt: skip
        try:
            return [status.Status for status, _ in association.send_c_get(identifier(**keys), model)], got
        finally:
            association.release()

    def move(self, model: str, **keys: Any) -> list[int]:
        """The statuses of a C-MOVE to ARCHIVE."""
        entity = AE(ae_title=CALLER)
        entity.add_requested_context(model, [IMPLICIT])
        association = entity.associate("127.0.0.1", self.port, ae_title="HEALIX")
        try:
            return [status.Status for status, _ in association.send_c_move(item(**keys), "ARCHIVE", model)]
        finally:
            association.release()


@pytest.fixture(scope="module")
def service(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that an object of each class was sent to."""
    settings = replace(Settings(), data_dir=tmp_path_factory.mktemp("non-patient"))
    with open_pool(module_database_url, size=4) as pool, serving_dimse(settings, pool, Limits(drain=2)) as port:
        made = Service(port, pool)
        assert [made.store(one) for one in OBJECTS] == [SUCCESS] * len(BY_CLASS)
        yield made


def numbers(matches: list[tuple[int, Dataset]]) -> list[int]:
    """The last numbers of the UIDs of matches."""
    return [int(found.SOPInstanceUID.rpartition(".")[2]) for _, found in matches]


@pytest.mark.spec("PS3.4 GG.4.2 (2024d)")
def test_storage(service: Service) -> None:
    """What was sent has its row and its row in the trail; again it changes nothing, another object is refused, and so
    are an inventory and a data set of another class.
    """
    rows = service.rows("SELECT instance_uid, source FROM non_patient_instance ORDER BY pk")
    assert rows == [(one.SOPInstanceUID, CALLER) for one in OBJECTS]
    assert service.store(hanging(1)) == SUCCESS
    assert service.store(hanging(1, "Other")) == DUPLICATE
    assert service.store(item(SOPClassUID=INVENTORY, SOPInstanceUID=instance(30))) is None
    trail = service.rows("SELECT outcome, entity FROM audit_event WHERE subtype = 'C-STORE' ORDER BY seq")
    assert trail == [(0, one.SOPInstanceUID) for one in (*OBJECTS, hanging(1))] + [(4, instance(1))]
    assert service.store(palette(31), syntax=IMPLICIT) == SUCCESS
    assert service.rows("DELETE FROM non_patient_instance WHERE instance_uid = %s RETURNING pk", instance(31))


@pytest.mark.spec("PS3.4 U.4.1 (2024d)")
@pytest.mark.parametrize(
    ("model", "keys", "expected"),
    [
        ("Hanging Protocol", {"HangingProtocolName": "Mammo*"}, [1]),
        ("Hanging Protocol", {"HangingProtocolName": "", "HangingProtocolLevel": "USER_GROUP"}, []),
        ("Hanging Protocol", {"HangingProtocolDefinitionSequence": [item(Modality="CT", Laterality="L")]}, [1]),
        ("Hanging Protocol", {"HangingProtocolDefinitionSequence": [item(Modality="CT", Laterality="R")]}, []),
        (
            "Hanging Protocol",
            {"HangingProtocolDefinitionSequence": [item(ProcedureCodeSequence=[item(CodeValue="X1")])]},
            [1],
        ),
        ("Color Palette", {"ContentLabel": "HOT*"}, [2]),
        ("Generic Implant Template", {"Manufacturer": "Acme*"}, [3]),
        ("Implant Assembly Template", {"Manufacturer": "Acme*", "SurgicalTechnique": "lateral"}, [4]),
        ("Implant Template Group", {"ImplantTemplateGroupName": "St*", "EffectiveDateTime": "2025-2027"}, [5]),
        ("Defined Procedure Protocol", {"EquipmentModality": "", "ProtocolName": "Routine*"}, [6, 7]),
        (
            "Defined Procedure Protocol",
            {"InstanceCreationDate": "20260705-20260706", "InstanceCreationTime": "1300-0800"},
            [],
        ),
        (
            "Protocol Approval",
            {
                "ApprovalSubjectSequence": [
                    item(ReferencedSOPClassUID=CT_PROTOCOL, ReferencedSOPInstanceUID=instance(6))
                ]
            },
            [8],
        ),
        ("Protocol Approval", {"SOPInstanceUID": [instance(8), instance(6)]}, [8]),
    ],
)
def test_find(service: Service, model: str, keys: Mapping[str, Any], expected: list[int]) -> None:
    """Each model finds its own objects, by the keys of its table and those within its sequences."""
    last, matches = service.find(BY_NAME[model].find, **keys)
    assert (last, numbers(matches)) == (SUCCESS, expected)
    assert {status for status, _ in matches} <= {PENDING}
    for _, found in matches:
        assert {*keys} | {"SOPClassUID", "SOPInstanceUID"} <= {*found.dir()}


@pytest.mark.spec("PS3.4 K.4.1.1.3 (2024d)")
def test_what_an_answer_has(service: Service) -> None:
    """What was asked for, empty where there is none, of a sequence what its item asks for; what is no key of the model
    is told, and what cannot be matched is refused.
    """
    definition = [item(Modality="", AnatomicRegionSequence=[])]
    _, [(status, found)] = service.find(
        HANGINGS.find, HangingProtocolDefinitionSequence=definition, HangingProtocolName="", Manufacturer="",
        PartialDataDisplayHandling="",
    )  # fmt: skip
    assert (status, found.Manufacturer, found.PartialDataDisplayHandling) == (PENDING, "", "MAINTAIN_LAYOUT")
    (first, second) = found.HangingProtocolDefinitionSequence
    assert (first.dir(), second.Modality) == (["AnatomicRegionSequence", "Modality"], "CT")
    assert first.AnatomicRegionSequence[0] == code("76752008")
    _, [(status, _)] = service.find(HANGINGS.find, QueryRetrieveLevel="IMAGE", PatientName="Doe*")
    assert status == WARNED
    _, [(_, large)] = service.find(PALETTES.find, RedPaletteColorLookupTableDescriptor=[], ContentLabel="")
    assert list(large.RedPaletteColorLookupTableDescriptor) == [1024, 0, 16]
    two = [item(Modality="CT"), item(Modality="MG")]
    assert service.find(HANGINGS.find, HangingProtocolDefinitionSequence=two)[0] == MISMATCH
    assert service.find(HANGINGS.find, HangingProtocolCreationDateTime="x")[0] == MISMATCH
    protocols = BY_NAME["Defined Procedure Protocol"].find
    assert numbers(service.find(protocols, ContentCreatorName="ines")[1]) == []
    assert numbers(service.find(protocols, fuzzy=True, ContentCreatorName="ines")[1]) == [6, 7]


@pytest.mark.spec("PS3.4 U.4.3 (2024d)")
def test_get(service: Service) -> None:
    """What a list of UIDs names of the model comes back; nothing of another model, and no UID is no request."""
    for one in OBJECTS:
        model = BY_CLASS[one.SOPClassUID]
        statuses, got = service.get(model.get, [one.SOPClassUID], SOPInstanceUID=one.SOPInstanceUID)
        assert (statuses, got) == ([SUCCESS], [one])
    several = [instance(1), instance(2), uid(1, 1, 1)]
    statuses, got = service.get(HANGINGS.get, [HANGING, PALETTE], SOPInstanceUID=several)
    assert (statuses, got) == ([SUCCESS], [hanging(1)])
    assert service.get(HANGINGS.get, [HANGING], HangingProtocolName="Mammo*")[0] == [MISMATCH]
    assert service.get(HANGINGS.get, [HANGING], SOPInstanceUID="")[0] == [MISMATCH]


@pytest.mark.spec("PS3.4 U.4.2 (2024d)")
def test_move(service: Service) -> None:
    """It arrives at a peer, and the trail says where it went."""
    with receiving([(HANGING, [EXPLICIT]), (PALETTE, [EXPLICIT])]) as peer:
        transaction(service.pool, lambda: peers.add("ARCHIVE", peer.remote.host, peer.remote.port))
        assert service.move(HANGINGS.move, SOPInstanceUID=[instance(1), instance(2)]) == [SUCCESS]
        assert service.move(PALETTES.move, SOPInstanceUID=instance(2)) == [SUCCESS]
        (first, second) = (one.data_set for one in peer.kept)
    assert first == hanging(1)
    assert second.BluePaletteColorLookupTableData == palette(2).BluePaletteColorLookupTableData
    trail = service.rows("SELECT entity, query FROM audit_event WHERE query LIKE 'to ARCHIVE%%' ORDER BY seq")
    assert trail == [(instance(1), "to ARCHIVE"), (instance(2), "to ARCHIVE")]


@pytest.mark.spec("PS3.8 9.3.3.2 (2024d)")
def test_a_peer_needs_the_rights(service: Service) -> None:
    """Those of images: a context of storage, query or retrieval without its right is refused."""
    transaction(service.pool, lambda: peers.add("PLAIN", "127.0.0.1", 104, {Right.ECHO, Right.FIND}))
    assert service.store(hanging(32), caller="PLAIN") is None
    entity = AE(ae_title="PLAIN")
    for one in (HANGINGS.find, HANGINGS.move, HANGINGS.get):
        entity.add_requested_context(one, [EXPLICIT])
    association = entity.associate("127.0.0.1", service.port, ae_title="HEALIX")
    assert [one.abstract_syntax for one in association.accepted_contexts] == [HANGINGS.find]
    association.release()
