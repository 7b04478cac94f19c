"""Further objects of series that are there: the short statement does what the full one does, whatever has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from dicomweb.index.further import BUILT_IN, Catalogue, read
from dicomweb.study import continued
from dicomweb.study.delete import delete
from dicomweb.study.hold import hold
from dicomweb.study.outcome import Disposition, Duplicates, Outcome
from dicomweb.study.receive import Received, Receiver
from dicomweb.study.store import deposit
from healix_fhir.kernel.database import Row, open_pool, run
from smart_auth.access import AccessContext
from tests.support import notes
from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.query_recorder import query_recorder
from tests.support.serve import wait_until
from tests.support.study import SYSTEM, Store, caller, open_store

OTHER_CLASS = "1.2.840.10008.5.1.4.1.1.4"
SHORT = "leads bool"
"""What only the short statement says."""
TABLES = (
    """SELECT study_uid, pat, patient_id, patient_id_issuer, study_description, modalities, sop_classes, series_count,
       instance_count FROM study ORDER BY study_uid""",
    """SELECT s.study_uid, e.series_uid, e.modality, e.series_description, e.instances_in_series
       FROM series e JOIN study s ON s.pk = e.study_pk ORDER BY e.series_uid""",
    """SELECT e.series_uid, i.instance_uid, i.sop_class_uid, i.transfer_syntax, i.instance_number, i.row_count, i.size,
       i.digest, i.layout, i.metadata, i.source
       FROM instance i JOIN series e ON e.pk = i.series_pk ORDER BY i.instance_uid""",
    """SELECT i.instance_uid, f.code, f.item, f.place, f.value, f.number
       FROM instance_further f JOIN instance i USING (pk) ORDER BY 1, 2, 3, 4""",
    "SELECT e.series_uid, f.code, f.value FROM series_further f JOIN series e USING (pk) ORDER BY 1, 2, 3",
    "SELECT instance_uid, code FROM deleted_instance ORDER BY 1",
    "SELECT instance_uid, code FROM rejected_instance ORDER BY 1",
    "SELECT action, subtype, outcome, client, patient, entity, query FROM audit_event ORDER BY 1, 2, 3, 6, 7",
    "SELECT topic, convert_from(payload, 'UTF8') FROM outbox ORDER BY 1, 2",
)
EMPTIED = (
    "study", "deleted_instance", "rejected_instance", "study_hold", "study_patient", "patient_key", "outbox",
    "audit_event",
)  # fmt: skip
FURTHER = read("series:ProtocolName; instance:PatientComments")


def image(study: int = 1, series: int = 1, instance: int = 1, **elements: object) -> bytes:
    """A CT image of 8 x 8 pixels."""
    return part10(with_pixels(data_set(study, series, instance, **elements)))


@dataclass(frozen=True)
class Case:
    """What changes after the first images, what comes then, and what shall become of it."""

    comes: Sequence[bytes]
    shall: Sequence[Disposition]
    changed: Callable[[Store], object] = lambda _: None
    access: AccessContext = SYSTEM
    duplicates: Duplicates = Duplicates.REFUSE
    catalogue: Catalogue = field(default=BUILT_IN)


def sql(statement: str, *params: object) -> Callable[[Store], object]:
    """A change by hand."""
    return lambda store: store.sql(statement, *params)


STORED, REFUSED, DUPLICATE = Disposition.STORED, Disposition.REFUSED, Disposition.DUPLICATE
OWN = caller("patient/ImagingStudy.c", pat=7)
NOTE = notes.note("113001", (uid(1), uid(1, 1), uid(1, 1, 1)), at=(uid(1), uid(1, 1), uid(1, 1, 90)), scheme="DCM")
CASES = {
    "one": Case([image(1, 1, 3)], [STORED]),
    "several series and studies": Case(
        [image(2, 1, 2), image(1, 2, 2), image(1, 1, 3), image(1, 1, 4)], [STORED] * 4
    ),
    "another class": Case([image(1, 1, 3, SOPClassUID=OTHER_CLASS)], [STORED]),
    "other texts": Case([image(1, 1, 3, StudyDescription="other", SeriesDescription="other", Modality="MR")], [STORED]),
    "new series": Case([image(1, 3, 1), image(1, 1, 3)], [STORED] * 2),
    "the same again": Case([image(1, 1, 1), image(1, 1, 3)], [DUPLICATE, STORED]),
    "twice in a group": Case([image(1, 1, 3), image(1, 1, 3)], [STORED, DUPLICATE]),
    "other content": Case([image(1, 1, 1, PatientComments="x")], [REFUSED]),
    "other content stays": Case(
        [image(1, 1, 1, PatientComments="x")], [Disposition.KEPT], duplicates=Duplicates.KEEP
    ),
    "other content instead": Case(
        [image(1, 1, 1, PatientComments="x")], [Disposition.REPLACED], duplicates=Duplicates.REPLACE
    ),
    "held": Case([image(1, 1, 3)], [STORED], lambda store: store.run(hold(SYSTEM, uid(1), "evidence"))),
    "held and other content": Case(
        [image(1, 1, 1, PatientComments="x")], [REFUSED], lambda store: store.run(hold(SYSTEM, uid(1), "evidence")),
        duplicates=Duplicates.REPLACE,
    ),
    "another patient": Case([image(1, 1, 3, PatientID="P2")], [REFUSED]),
    "another issuer": Case([image(1, 1, 3, IssuerOfPatientID="x"), image(1, 2, 3)], [REFUSED, STORED]),
    "series of another study": Case([image(1, 1, 3, SeriesInstanceUID=uid(2, 1))], [REFUSED]),
    "study deleted": Case([image(1, 1, 1)], [STORED], lambda store: store.run(delete(SYSTEM, uid(1)))),
    "series deleted": Case([image(1, 1, 3)], [STORED], lambda store: store.run(delete(SYSTEM, uid(1), uid(1, 1)))),
    "relabelled": Case([image(1, 1, 3)], [REFUSED], sql("UPDATE study SET patient_id = 'P9'")),
    "series moved": Case(
        [image(1, 1, 3)], [REFUSED],
        sql("UPDATE series SET study_pk = (SELECT pk FROM study WHERE study_uid = %s)", uid(2)),
    ),
    "matched": Case(
        [image(1, 1, 3)], [STORED],
        sql("WITH k AS (INSERT INTO patient_key (pat, id) OVERRIDING SYSTEM VALUE VALUES (7, 'own'))"
            " UPDATE study SET pat = 7"),
    ),
    "own patient": Case([image(1, 1, 3)], [STORED], sql("UPDATE study SET pat = 7"), OWN),
    "another's study": Case([image(1, 1, 3)], [REFUSED], sql("UPDATE study SET pat = 8"), OWN),
    "rejected": Case(
        [image(1, 1, 3)], [REFUSED], sql("INSERT INTO rejected_instance VALUES (%s, '113001', '')", uid(1, 1, 3))
    ),
    "rejection note": Case([NOTE], [STORED]),
    "further attributes": Case(
        [image(1, 1, 3, PatientComments="quiet", ProtocolName="other"), image(1, 1, 4)], [STORED] * 2,
        catalogue=FURTHER,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def kept(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that the tests of this module share."""
    with open_pool(module_database_url, size=4) as pool:
        store = open_store(pool, tmp_path_factory.mktemp("images"))
        store.sql("ALTER TABLE audit_event DISABLE TRIGGER USER")
        yield store


@pytest.fixture
def store(kept: Store) -> Store:
    """The same, empty."""
    empty(kept)
    return kept


def empty(store: Store) -> None:
    """Let nothing be there, nor be known of it."""
    store.sql("; ".join(f"DELETE FROM {table}" for table in EMPTIED))
    store.archive.remove([name.removeprefix("blobs/") for name in store.files()])
    continued.forget()


def received(store: Store, catalogue: Catalogue, *files: bytes) -> list[Received]:
    """Objects that wait for their rows."""
    found = []
    for file in files:
        incoming = Receiver(store.archive, catalogue=catalogue).begin()
        incoming.write(file)
        found.append(incoming.finish())
    return found


def came(store: Store, case: Case, *, known: bool) -> tuple[list[Outcome], list[list[Row]], int]:
    """What becomes of the objects of a case, in a process that has stored in the series or not; all rows, and how many
    files.
    """
    empty(store)
    first = [image(1, 1, 1), image(1, 1, 2), image(1, 2, 1), image(2, 1, 1)]
    deposit(store.pool, store.archive, SYSTEM, received(store, case.catalogue, *first), "C-STORE")
    case.changed(store)
    come = received(store, case.catalogue, *case.comes)
    if not known:
        continued.forget()
    outcomes = deposit(store.pool, store.archive, case.access, come, "C-STORE", case.duplicates)
    return outcomes, [store.sql(table) for table in TABLES], len(store.files())


@pytest.mark.spec("PS3.4 B.2")
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_known_series_change_nothing_but_the_cost(store: Store, case: Case) -> None:
    """Whatever comes and has changed meanwhile, outcomes, rows, trail, events and files are those of a process that
    never stored in the series.
    """
    outcomes, rows, files = came(store, case, known=True)
    assert [outcome.status for outcome in outcomes] == list(case.shall)
    assert (outcomes, rows, files) == came(store, case, known=False)


def test_further_objects_cost_the_short_statement(store: Store) -> None:
    """The first object of a series is written by the full statement, each further group by the short one alone; after
    one that came to nothing the full one is back.
    """
    store.add(image(1, 1, 1), image(2, 1, 1))
    with query_recorder() as statements:
        store.add(image(1, 1, 2), image(2, 1, 2), image(1, 1, 3))
        store.add(image(1, 2, 1))
    assert [SHORT in statement for statement in statements] == [True, False]
    store.run(delete(SYSTEM, uid(1)))
    store.add(image(1, 1, 2))
    with query_recorder() as statements:
        store.add(image(1, 1, 3))
        store.add(image(1, 1, 4))
    assert [SHORT in statement for statement in statements] == [False, True]


def test_what_goes_while_it_is_counted_up(store: Store) -> None:
    """An object whose study is deleted in the same moment makes it anew, with nothing left of the old one."""
    store.add(image(1, 1, 1), image(1, 1, 2))
    coming = store.receive(image(1, 1, 3))
    with ThreadPoolExecutor(1) as other:
        with store.pool.connection() as connection, connection.transaction():
            run(connection, delete(SYSTEM, uid(1)))
            outcomes = other.submit(deposit, store.pool, store.archive, SYSTEM, [coming], "C-STORE")
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            wait_until(lambda: store.sql(waiting) == [(1,)], "the object to wait for the deletion")
        assert outcomes.result(60)[0].status is STORED
    assert store.sql("SELECT series_count, instance_count, modalities FROM study") == [(1, 1, ["CT"])]
    assert store.sql("SELECT modality, instances_in_series FROM series") == [("CT", 1)]


def test_two_that_store_the_same_at_once(store: Store) -> None:
    """One object that comes twice in the same moment is stored once, and counted once."""
    store.add(image(1, 1, 1))
    first, second = store.receive(image(1, 1, 2)), store.receive(image(1, 1, 2))
    with ThreadPoolExecutor(1) as other:
        with store.pool.connection() as connection, connection.transaction():
            assert run(connection, continued.extend(SYSTEM, [first], "STOW-RS", [SYSTEM.origin]))
            outcomes = other.submit(deposit, store.pool, store.archive, SYSTEM, [second], "C-STORE")
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            wait_until(lambda: store.sql(waiting) == [(1,)], "the second to wait for the first")
        assert outcomes.result(60)[0].status is DUPLICATE
    assert store.sql("SELECT instance_count FROM study") == [(2,)]
    assert store.sql("SELECT instances_in_series FROM series") == [(2,)]
    assert len(store.files()) == 2
