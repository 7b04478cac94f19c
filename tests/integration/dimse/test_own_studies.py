"""C-FIND and C-GET under a narrower access than peers have, on the primary and on a hot standby.

What a caller may not see is as if it were not there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dimse.admission import Caller
from dicomweb.dimse.associate import Context, ContextResult, Roles
from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.find import Search, find_service
from dicomweb.dimse.get import get
from dicomweb.dimse.identifier import parse, text
from dicomweb.dimse.operation import Service
from dicomweb.index.further import BUILT_IN
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Finished, Row, Work, at_once, transaction
from healix_fhir.kernel.standby_thread import standby_thread
from smart_auth.access import AccessContext
from tests.support.dicom import ct, uid
from tests.support.dimse import CT, EXPLICIT
from tests.support.standby import posing_as_standby
from tests.support.study import Store, caller, open_store

FIND, GET = "1.2.840.10008.5.1.4.1.2.1.1", "1.2.840.10008.5.1.4.1.2.1.3"
OWN, OTHER = 11, 22
Run: TypeAlias = Callable[[Callable[[], Work[Any]]], Any]
PATIENT_ID, STUDY_UID, STUDIES = 0x00100020, 0x0020000D, 0x00201200


@dataclass
class Heard:
    """An exchange that keeps what is sent."""

    context: Context
    responses: list[tuple[int, bytes | None]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    @property
    def contexts(self) -> Mapping[int, Context]:
        """This one, and one in which the peer takes CT images."""
        storage = Context(3, ContextResult.ACCEPTANCE, CT, EXPLICIT, Roles(scu=False, scp=True))
        return {self.context.id: self.context, 3: storage}

    def respond(self, command: Command, data_set: bytes | None = None) -> None:
        """Keep it."""
        self.responses.append((int(command[Element.Status]), data_set))

    def is_cancelled(self) -> bool:
        """Never."""
        return False

    def ask(self, context_id: int, command: Command, data: Iterable[bytes | memoryview] | None = None) -> Command:
        """Take the object."""
        del context_id
        assert data is not None
        assert b"".join(data)
        self.sent.append(str(command[Element.AffectedSOPInstanceUID]))
        return {Element.Status: 0}


@pytest.fixture
def store(pool: ConnectionPool[Connection[Row]], tmp_path: Path) -> Store:
    """Two studies of one patient and one of another."""
    store = open_store(pool, tmp_path / "images")
    store.add(ct(1, size=8), ct(2, size=8), ct(3, size=8, PatientID="P2"))
    store.sql("UPDATE study SET pat = CASE patient_id WHEN 'P1' THEN %s::bigint ELSE %s::bigint END", OWN, OTHER)
    return store


@dataclass(frozen=True)
class House:
    """Studies, and how a query and the selection of a retrieval are run."""

    store: Store
    look_up: Run
    select: Run


@pytest.fixture(params=["primary", "standby"])
def house(request: pytest.FixtureRequest, store: Store, database_url: str) -> Iterator[House]:
    """Queries and retrievals on the primary alone, and on a standby that has all and writes nothing."""
    if request.param == "primary":
        yield House(store, lambda make: at_once(store.pool, make()), lambda make: transaction(store.pool, make))
        return
    with posing_as_standby(database_url) as url, standby_thread(url, database_url, seconds=0) as standby:
        yield House(
            store, lambda make: there(standby.read(make)), lambda make: there(standby.read(make, together=True))
        )


def there(done: Finished[Any] | None) -> Any:
    """What was found on the standby, which leaves nothing of this to the primary."""
    assert done is not None
    return done.result


def answered(house: House, access: AccessContext, sop_class: str, level: str, keys: dict[int, str]) -> Heard:
    """What a caller with this access is answered."""
    who, store = Caller("VIEWER", frozenset(), access), house.store
    audit: list[AuditRow] = []
    service: Service = get(who, store.pool, house.select, store.archive, audit.append, 100)
    if sop_class == FIND:
        service = find_service(who, Search(house.look_up, "HEALIX", BUILT_IN, 100), audit.append)
    context = Context(1, ContextResult.ACCEPTANCE, sop_class, EXPLICIT, extended=b"\1")
    encoded = b""
    for tag, value in sorted({0x00080052: level, **keys}.items()):
        padded = value + " " * (len(value) % 2)
        encoded += struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"LO", len(padded)) + padded.encode()
    asked = CommandField.C_FIND_RQ if sop_class == FIND else CommandField.C_GET_RQ
    command: Command = {
        Element.AffectedSOPClassUID: sop_class,
        Element.CommandField: asked,
        Element.CommandDataSetType: 1,
    }
    heard = Heard(context)
    operation = service(command, context)
    operation.write(memoryview(encoded))
    operation.finish(heard)
    return heard


def found(heard: Heard, tag: int) -> list[str]:
    """The values of an attribute in the matches."""
    return [text(parse(one, EXPLICIT).members[tag]) for _, one in heard.responses if one is not None]


PATIENT = partial(caller, "patient/ImagingStudy.rs")


def test_only_own_studies_are_found(house: House) -> None:
    """A search shows the caller's own studies only, at each level, and counts no others."""
    access = PATIENT(pat=OWN)
    assert sorted(found(answered(house, access, FIND, "STUDY", {STUDY_UID: ""}), STUDY_UID)) == [uid(1), uid(2)]
    assert found(answered(house, access, FIND, "STUDY", {STUDY_UID: uid(1), STUDIES: ""}), STUDIES) == ["2"]
    patients = answered(house, access, FIND, "PATIENT", {PATIENT_ID: "", STUDIES: ""})
    assert (found(patients, PATIENT_ID), found(patients, STUDIES)) == (["P1"], ["2"])
    assert found(answered(house, access, FIND, "IMAGE", {0x00080018: ""}), 0x00080018) == [uid(2, 1, 1), uid(1, 1, 1)]


@pytest.mark.parametrize(
    ("level", "tag", "hidden", "absent"),
    [("STUDY", STUDY_UID, uid(3), uid(77)), ("PATIENT", PATIENT_ID, "P2", "P77"), ("STUDY", PATIENT_ID, "P2", "P77")],
)
def test_what_is_hidden_is_answered_as_what_is_absent(
    house: House, level: str, tag: int, hidden: str, absent: str
) -> None:
    """Another patient's study is neither found nor got, and nothing in the answers tells it from one that is not."""
    keys = {STUDY_UID: ""} if level == "STUDY" else {}
    for sop_class in (FIND, GET):
        if sop_class == GET and level == "STUDY" and tag == PATIENT_ID:
            continue
        answers = [
            answered(house, PATIENT(pat=OWN), sop_class, level, keys | {tag: value}) for value in (hidden, absent)
        ]
        assert answers[0].responses == answers[1].responses == [(0, None)]
        assert answers[0].sent == []


def test_own_studies_are_got(house: House) -> None:
    """A retrieval brings the caller's own objects, also when a list names another's too."""
    got = answered(house, PATIENT(pat=OWN), GET, "STUDY", {STUDY_UID: f"{uid(1)}\\{uid(3)}"})
    assert got.sent == [uid(1, 1, 1)]
    assert got.responses[-1] == (0, None)


@pytest.mark.parametrize(("sop_class", "scope"), [(FIND, "system/ImagingStudy.cr"), (GET, "system/ImagingStudy.cs")])
def test_wrong_scope(house: House, sop_class: str, scope: str) -> None:
    """Without the permission a query or retrieval is refused as not authorized, whatever it asks for."""
    heard = answered(house, caller(scope), sop_class, "STUDY", {STUDY_UID: uid(1)})
    assert (heard.responses, heard.sent) == ([(0x0124, None)], [])
