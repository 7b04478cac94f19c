"""Blobs are read again; what is damaged is named until it is whole, and repaired where a copy is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from obstore.store import from_url
from psycopg import Connection

from dicomweb.archive.local import LocalArchive
from dicomweb.archive.remote import RemoteArchive
from dicomweb.archive.tiered import TieredArchive
from dicomweb.study import integrity
from dicomweb.study.delete import delete
from dicomweb.study.integrity import check, damaged, runs
from dicomweb.study.tiers import move_old
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.dicom import ct, uid
from tests.support.study import SYSTEM, Store

FAST = 1 << 40


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection[Row]]:
    """A connection of a job."""
    with psycopg.connect(database_url, autocommit=True) as made:
        yield made


@pytest.fixture
def filled(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Five instances, looked at two at a time."""
    monkeypatch.setattr(integrity, "BATCH", 2)
    store.add(*(ct(1, 1, number, size=8) for number in range(1, 6)))
    return store


def blob(store: Store, number: int) -> Path:
    """The file of an instance."""
    (row,) = store.sql("SELECT blob FROM instance WHERE instance_uid = %s", uid(1, 1, number))
    path = store.archive.path(row[0])
    assert path is not None
    return path


def named(store: Store) -> dict[str, str]:
    """The damage of each damaged instance."""
    found = store.run(damaged())
    assert {one.study for one in found} <= {uid(1)}
    return {one.instance: one.damage for one in found}


def test_damaged(filled: Store, connection: Connection[Row]) -> None:
    """What is missing, cut, longer or changed in one bit is named; whole again or deleted, it is named no more."""
    files = [blob(filled, number) for number in range(1, 6)]
    whole = [file.read_bytes() for file in files]
    files[0].unlink()
    files[1].write_bytes(whole[1][:-2])
    files[2].write_bytes(whole[2][:-1] + bytes([whole[2][-1] ^ 1]))
    files[3].write_bytes(b"no DICOM")
    list(check(connection, filled.archive, FAST))
    expected = {uid(1, 1, 1): "missing"} | {uid(1, 1, number): "corrupt" for number in (2, 3, 4)}
    assert named(filled) == expected
    (run,) = filled.run(runs())
    assert (run.checked, run.bytes, run.damaged, run.finished is None) == (5, sum(map(len, whole)), 4, False)
    assert list(check(connection, filled.archive, FAST)) == []
    files[1].write_bytes(whole[1])
    filled.run(delete(SYSTEM, uid(1), uid(1, 1), uid(1, 1, 3)))
    list(check(connection, filled.archive, FAST, now=True))
    assert named(filled) == {uid(1, 1, number): expected[uid(1, 1, number)] for number in (1, 4)}


def test_cut_off(filled: Store, connection: Connection[Row]) -> None:
    """A run that was cut off goes on with the batch that it was at."""
    first = check(connection, filled.archive, FAST)
    for _ in range(3):
        next(first)
    del first
    (run,) = filled.run(runs())
    assert (run.checked, run.finished) == (2, None)
    assert len(list(check(connection, filled.archive, FAST))) == 3
    assert list(check(connection, filled.archive, FAST, seconds=0)) == []


def test_pace(filled: Store, connection: Connection[Row]) -> None:
    """It reads no faster than it is told to."""
    waited: list[float] = []
    size = sum(check(connection, filled.archive, 1000, sleep=waited.append))
    assert sum(waited) == pytest.approx(size / 1000)


def test_archive_away(filled: Store, connection: Connection[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that is empty as a whole is no damage, but away."""
    monkeypatch.setattr(integrity, "AWAY", 2)
    for number in range(1, 6):
        blob(filled, number).unlink()
    with pytest.raises(HealixError) as caught:
        list(check(connection, filled.archive, FAST))
    assert caught.value.category is Category.UNAVAILABLE
    assert named(filled) == {}


@pytest.fixture
def tiered(filled: Store, tmp_path: Path) -> TieredArchive:
    """The store's archive as the near tier of two."""
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    assert isinstance(filled.archive, LocalArchive)
    return TieredArchive(filled.archive, RemoteArchive(from_url(bucket.as_uri()), filled.root))


def test_repaired(filled: Store, tiered: TieredArchive, connection: Connection[Row]) -> None:
    """A damaged copy on the disk gives way to the one in the object store when that is whole."""
    files = [blob(filled, number) for number in (1, 2)]
    whole = [file.read_bytes() for file in files]
    keys = [str(file.relative_to(filled.root / "blobs")) for file in files]
    for key in keys:
        tiered.move(key)
    files[0].write_bytes(b"damaged")
    files[1].write_bytes(b"damaged")
    (bucket,) = list(filled.root.parent.joinpath("bucket").rglob(Path(keys[1]).name))
    bucket.write_bytes(b"damaged, too")
    list(check(connection, tiered, FAST))
    assert named(filled) == {uid(1, 1, 2): "corrupt"}
    assert b"".join(tiered.stream(keys[0])) == whole[0]
    assert filled.run(runs())[0].repaired == 1


def test_old_blobs_move(filled: Store, tiered: TieredArchive, connection: Connection[Row]) -> None:
    """What is old enough moves, also what is deleted; orphans stay for the sweep; everything is read as before."""
    filled.run(delete(SYSTEM, uid(1), uid(1, 1), uid(1, 1, 5)))
    orphan = filled.receive(ct(1, 1, 9, size=8)).key
    keys = [key for (key,) in filled.sql("SELECT blob FROM instance UNION SELECT blob FROM deleted_instance")]
    before = {key: b"".join(tiered.stream(key)) for key in keys}
    assert move_old(connection, tiered, 1) == (0, 0)
    assert move_old(connection, tiered, 0, seconds=-1) == (0, 0)
    assert move_old(connection, tiered, 0) == (5, sum(map(len, before.values())))
    assert {key: b"".join(tiered.stream(key)) for key in keys} == before
    assert [tiered.path(key) for key in keys] == [None] * 5
    assert tiered.path(orphan) is not None
