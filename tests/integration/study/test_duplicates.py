"""Objects whose SOPInstanceUID is that of a stored one with other content: refused, discarded, or put in its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dimse.limits import Limits
from dicomweb.status import Caution, Reason
from dicomweb.study.hold import hold
from dicomweb.study.outcome import Disposition, Duplicates
from dicomweb.study.restore import deletions
from dicomweb.study.sweep import sweep
from healix_fhir.kernel.database import Row
from tests.support.dicom import bare, data_set, part10, uid, with_pixels
from tests.support.dimse import Peer, p_data
from tests.support.dimse import store as c_store
from tests.support.dimse_service import serving_dimse
from tests.support.live_server import live_server
from tests.support.query_recorder import query_recorder
from tests.support.stow import HEADERS, body
from tests.support.study import SYSTEM, Store, caller

Pool = ConnectionPool[Connection[Row]]
KEEP, REPLACE = Duplicates.KEEP, Duplicates.REPLACE
TRAIL = "SELECT action, subtype, outcome, query FROM audit_event ORDER BY seq"


def image(instance: int = 1, description: str = "first") -> bytes:
    """A CT image of 8 x 8 pixels."""
    return part10(with_pixels(data_set(1, 1, instance, SeriesDescription=description)))


def test_the_stored_one_stays(store: Store) -> None:
    """With `keep` other content is accepted with a warning, changes nothing and is a minor failure in the trail."""
    store.add(image())
    blobs, rows = store.files(), store.sql("SELECT * FROM instance")
    (outcome,) = store.add(image(description="second"), duplicates=KEEP)
    assert (outcome.status, outcome.caution) == (Disposition.KEPT, Caution.ELEMENTS_DISCARDED)
    assert "stays" in outcome.message
    assert (store.files(), store.sql("SELECT * FROM instance")) == (blobs, rows)
    assert store.sql(TRAIL)[1:] == [("C", "STOW-RS", 4, uid(1, 1, 1))]


def test_the_new_one_takes_its_place(store: Store) -> None:
    """With `replace` the new content is served, the old one can be restored once that is gone, and the trail tells."""
    store.add(image(), image(2))
    second = part10(with_pixels(data_set(1, 1, 1), rows=4, columns=16))
    (outcome,) = store.add(second, duplicates=REPLACE)
    assert (outcome.status, outcome.caution) == (Disposition.REPLACED, None)
    assert store.sql("SELECT row_count FROM instance ORDER BY instance_number") == [(4,), (8,)]
    assert store.sql("SELECT instance_count, series_count FROM study") == [(2, 1)]
    assert store.sql("SELECT instances_in_series FROM series") == [(2,)]
    assert store.sql("SELECT instance_uid, code FROM deleted_instance") == [(uid(1, 1, 1), "replaced")]
    assert ("D", "replace-instances", 0, uid(1, 1, 1)) in store.sql(TRAIL)
    assert [(one.instances, one.code) for one in store.run(deletions(SYSTEM))] == [(1, "replaced")]
    assert store.run(sweep(store.archive, age=-10)) == 0
    assert len(store.files()) == 3


@pytest.mark.parametrize("duplicates", list(Duplicates))
def test_the_same_again_changes_nothing(store: Store, duplicates: Duplicates) -> None:
    """Identical content is accepted again whatever the setting."""
    store.add(image())
    (outcome,) = store.add(image(), duplicates=duplicates)
    assert (outcome.status, outcome.caution) == (Disposition.DUPLICATE, None)
    assert len(store.files()) == 1


def test_what_does_not_make_room(store: Store) -> None:
    """An object of another series or class, one that came in the same group, and evidence are not replaced."""
    store.add(image())
    moved = part10(with_pixels(data_set(1, 2, 1, SOPInstanceUID=uid(1, 1, 1))))
    other = part10(with_pixels(data_set(1, 1, 1, SOPClassUID="1.2.840.10008.5.1.4.1.1.4")))
    outcomes = store.add(moved, other, image(2), image(2, "second"), duplicates=REPLACE)
    assert [outcome.status.value for outcome in outcomes] == ["refused", "refused", "stored", "refused"]
    assert {outcome.reason for outcome in outcomes} == {None, Reason.DUPLICATE_INSTANCE}
    store.run(hold(SYSTEM, uid(1), "evidence"))
    (held,) = store.add(image(description="second"), duplicates=REPLACE)
    assert held.reason is Reason.DUPLICATE_INSTANCE
    assert store.sql("SELECT count(*) FROM deleted_instance") == [(0,)]
    assert len(store.files()) == 2


def test_replacing_many_costs_what_replacing_one_does(store: Store) -> None:
    """The number of statements does not grow with the group."""
    counts = []
    for size in (1, 20):
        with store.pool.connection() as connection:
            connection.execute("TRUNCATE study, series, instance, deleted_instance CASCADE")
        store.add(*(image(n) for n in range(1, size + 1)))
        with query_recorder() as recorded:
            outcomes = store.add(*(image(n, "second") for n in range(1, size + 1)), duplicates=REPLACE)
        assert {outcome.status for outcome in outcomes} == {Disposition.REPLACED}
        counts.append(len(recorded))
    assert counts[0] == counts[1] <= 6


@pytest.mark.spec("PS3.18 I.2.1")
@pytest.mark.spec("PS3.4 B.2.3")
@pytest.mark.parametrize(("setting", "status", "caution"), [("keep", 202, 0xB006), ("replace", 200, None)])
def test_both_doors(
    database_url: str, pool: Pool, tmp_path: Path, setting: str, status: int, caution: int | None
) -> None:
    """The setting holds for STOW-RS and C-STORE, which tell of a warning each in its way."""
    with live_server(database_url, tmp_path / "data", duplicates=setting) as server:
        with server.client("system/ImagingStudy.c") as client:
            assert client.post("/dicomweb/studies", content=body([image()]), headers=HEADERS).status_code == 200
            answer = client.post("/dicomweb/studies", content=body([image(description="second")]), headers=HEADERS)
        assert answer.status_code == status
        assert answer.json()["00081199"]["Value"][0].get("00081196", {}).get("Value") == (caution and [caution])
        with serving_dimse(server.settings, pool, Limits(drain=1)) as port, Peer(port) as peer:
            peer.associate()
            peer.send(p_data(3, 3, c_store(uid(1, 1, 1))) + p_data(3, 2, bare(image(description="third"))))
            assert peer.answer()[0] == (caution or 0)


OWN = 7
OWNER = caller("patient/ImagingStudy.crus", pat=OWN)


@pytest.fixture
def shared(store: Store) -> Store:
    """A store with two images of another patient, one of them rejected, that knows the caller's patient too."""
    for pat, mrn in ((OWN, "own"), (8, "other")):
        store.sql("INSERT INTO patient_key (pat, id) OVERRIDING SYSTEM VALUE VALUES (%s, %s)", pat, mrn)
        store.sql("INSERT INTO study_patient (patient_id, issuer, pat) VALUES (%s, '', %s)", mrn, pat)
    store.add(*(own(study=1, series=1, instance=n, patient="other") for n in (1, 2)))
    store.sql("INSERT INTO rejected_instance (instance_uid, code, note) VALUES (%s, '113001', '')", uid(1, 1, 3))
    return store


def own(*, study: int, series: int, instance: int, patient: str = "own") -> bytes:
    """An image of a patient with UIDs that are chosen freely."""
    uids = {"SeriesInstanceUID": uid(series, series), "SOPInstanceUID": uid(1, 1, instance)}
    return part10(with_pixels(data_set(study, series, instance, PatientID=patient, **uids)))


@pytest.mark.spec("PS3.18 10.5.3")
@pytest.mark.parametrize("duplicates", list(Duplicates))
@pytest.mark.parametrize(
    "forged",
    [
        own(study=1, series=9, instance=9),
        own(study=9, series=1, instance=9),
        own(study=9, series=9, instance=1),
        own(study=9, series=9, instance=3),
        own(study=9, series=9, instance=9, patient="other"),
        own(study=9, series=9, instance=9, patient="nobody"),
    ],
    ids=["study", "series", "instance", "rejected", "patient", "nobody"],
)
def test_whose_a_uid_is_and_what_has_it_is_not_told(shared: Store, duplicates: Duplicates, forged: bytes) -> None:
    """An object with a UID in a study that its sender may not store into is refused in the same words, whatever has the
    UID and whatever happens to duplicates: those of an object of another patient.
    """
    (outcome,) = shared.add(forged, access=OWNER, duplicates=duplicates)
    assert (outcome.status, outcome.reason) == (Disposition.REFUSED, Reason.NOT_AUTHORIZED)
    assert outcome.message == "the token does not allow to store for this patient"


def test_own_duplicates_are_told(shared: Store) -> None:
    """Who may store into a study is told of what it has."""
    mine = own(study=2, series=2, instance=5)
    assert [shared.add(mine, access=OWNER)[0].status for _ in range(2)] == [Disposition.STORED, Disposition.DUPLICATE]
    other = part10(with_pixels(data_set(2, 2, 5, PatientID="own", SeriesDescription="other",
                                        SeriesInstanceUID=uid(2, 2), SOPInstanceUID=uid(1, 1, 5))))  # fmt: skip
    assert shared.add(other, access=OWNER)[0].reason is Reason.DUPLICATE_INSTANCE
