"""What a backup holds, what a second one copies, and what becomes of one that was cut off or damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from msgspec import msgpack, structs
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.study.delete import delete
from dicomweb.study.purge import purge
from dicomweb.study.sweep import sweep
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.settings import Settings
from healix_fhir.server import migrate
from healix_fhir.server.backup import making, rows
from healix_fhir.server.backup.manifest import BLOBS, load, manifest_of
from healix_fhir.server.backup.pieces import HEADER, DamagedError, Pieces, open_pieces
from healix_fhir.server.backup.store import Store as Kept
from healix_fhir.server.backup.store import open_store as open_kept
from healix_fhir.server.backup.verifying import verify
from tests.support.backup import pieces_at, taken
from tests.support.dicom import ct, uid
from tests.support.s3 import bucket
from tests.support.study import SYSTEM, Store, open_store


@pytest.fixture
def store(pool: ConnectionPool[Connection[Row]], tmp_path: Path) -> Store:
    """Three images."""
    made = open_store(pool, tmp_path / "data" / "images")
    made.add(*(ct(1, 1, number, size=8) for number in range(1, 4)))
    return made


def damage(pieces: Pieces) -> int:
    """How many pieces of the newest backup are damaged."""
    return verify(pieces, load(pieces), lambda _: None).damaged


def blobs(pieces: Pieces) -> int:
    """How many pieces of blobs there are."""
    return len(list(pieces.store.names(BLOBS)))


@pytest.mark.parametrize("place", ["folder/", "file"])
def test_a_second_backup_copies_what_is_new(store: Store, database_url: str, tmp_path: Path, place: str) -> None:
    """Both are whole then, with all rows; in full, all is copied again."""
    where = f"{tmp_path}/{place}"
    first = taken(database_url, store.archive, pieces_at(where))
    store.add(ct(1, 1, 4, size=8))
    second = taken(database_url, store.archive, pieces_at(where))
    assert (first.new_blobs, second.new_blobs, second.manifest.blobs) == (3, 1, 4)
    pieces = pieces_at(where)
    assert [load(pieces, one.manifest.name).rows for one in (first, second)] == [
        first.manifest.rows,
        second.manifest.rows,
    ]
    assert damage(pieces) == verify(pieces, first.manifest, lambda _: None).damaged == 0
    assert taken(database_url, store.archive, pieces, full=True).new_blobs == 4


def test_in_a_bucket(store: Store, database_url: str) -> None:
    """The same in a bucket."""
    with bucket() as made:
        settings = Settings(**made.settings)
        pieces = pieces_at(f"s3://{made.name}/backups", settings=settings)
        assert [taken(database_url, store.archive, pieces).new_blobs for _ in range(2)] == [3, 0]
        assert damage(pieces) == 0
        assert taken(database_url, store.archive, pieces, keep=1).removed == 2


def test_only_the_newest_are_kept(store: Store, database_url: str, tmp_path: Path) -> None:
    """Blobs that the removed backups alone had go with them; deleted images that can be restored are in a backup."""
    pieces = pieces_at(f"{tmp_path}/folder/")
    store.run(delete(SYSTEM, uid(1), uid(1, 1), uid(1, 1, 3)))
    assert taken(database_url, store.archive, pieces).manifest.blobs == 3
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE deleted_instance SET deleted = now() - interval '2 days'")
        assert purge(connection, store.archive, 1) == 1
    assert (taken(database_url, store.archive, pieces, keep=1).removed, blobs(pieces), damage(pieces)) == (1, 2, 0)


@pytest.mark.parametrize("kind", ["blobs", "rows", "list", "files"])
def test_a_damaged_byte_is_found(store: Store, database_url: str, tmp_path: Path, kind: str) -> None:
    """In an image, rows, a list of images or a file of the data directory."""
    (tmp_path / "data" / "keys.secret").write_bytes(b"secret")
    pieces = pieces_at(f"{tmp_path}/folder/")
    name = taken(database_url, store.archive, pieces).manifest.name
    within = tmp_path / "folder" / ("blobs" if kind == "blobs" else f"backups/{name}/{kind}")
    path = max((path for path in within.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert damage(pieces) == 1
    path.unlink()
    assert damage(pieces) == 1


def test_encrypted(store: Store, database_url: str, tmp_path: Path) -> None:
    """Nothing is legible, and only its own key opens it; what is not encrypted is not added to under a key."""
    keys = [tmp_path / name for name in ("right", "wrong", "short")]
    for key, content in zip(keys, (b"r" * 32, b"w" * 32, b"s" * 31), strict=True):
        key.write_bytes(content)
    place = f"{tmp_path}/sealed"
    taken(database_url, store.archive, pieces_at(place, keys[0]))
    assert damage(pieces_at(place, keys[0])) == 0
    assert uid(1).encode() not in Path(place).read_bytes()
    taken(database_url, store.archive, pieces_at(f"{tmp_path}/plain/"))
    cases: list[tuple[Path | str, str, str]] = [
        (keys[1], place, "not the one of this backup"),
        (keys[2], place, "32 random bytes"),
        ("", place, "is encrypted"),
        (tmp_path / "none", place, "cannot be read"),
        (keys[0], f"{tmp_path}/plain/", "are not encrypted"),
    ]
    for other, where, reason in cases:
        with pytest.raises(HealixError, match=reason):
            pieces_at(where, other)
    with pytest.raises(HealixError, match="to trust it all the same"):
        open_pieces(open_kept(f"{tmp_path}/plain/", Settings()), str(keys[0]))


def test_no_piece_stands_in_for_another(store: Store, database_url: str, tmp_path: Path) -> None:
    """A sealed piece under the name of another is damage."""
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    pieces = pieces_at(f"{tmp_path}/sealed/", key)
    taken(database_url, store.archive, pieces)
    one, other, *_ = [tmp_path / "sealed" / name for name in pieces.store.names(BLOBS)]
    one.write_bytes(other.read_bytes())
    assert damage(pieces) == 1


class CutError(Exception):
    """The plug is pulled."""


def cut_after(store: Kept, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store take `count` blobs more."""
    put, left = store.put, iter(range(count))

    def limited(name: str, data: bytes) -> None:
        if name.startswith(BLOBS) and next(left, None) is None:
            raise CutError
        put(name, data)

    monkeypatch.setattr(store, "put", limited)


@pytest.mark.parametrize("place", ["folder/", "file"])
def test_a_backup_that_was_cut_off(
    store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """It is none; the next one goes on with what it had, and removes what it left."""
    monkeypatch.setattr(making, "LISTED", 1)
    where = f"{tmp_path}/{place}"
    pieces = pieces_at(where)
    cut_after(pieces.store, 2, monkeypatch)
    with pytest.raises(CutError):
        taken(database_url, store.archive, pieces)
    with pytest.raises(HealixError, match="was cut off"):
        load(open_pieces(open_kept(where, Settings()), ""))
    again = pieces_at(where)
    assert (taken(database_url, store.archive, again).new_blobs, damage(again)) == (1, 0)
    if place == "folder/":
        assert len(list((tmp_path / "folder" / "backups").iterdir())) == 1


@pytest.mark.parametrize("within", ["rows", "manifest"])
def test_a_file_that_ends_within_a_backup(store: Store, database_url: str, tmp_path: Path, within: str) -> None:
    """The backup before stays whole, and the next one takes the place of what was cut."""
    path = tmp_path / "file"
    first = taken(database_url, store.archive, pieces_at(path)).manifest
    size = path.stat().st_size
    taken(database_url, store.archive, pieces_at(path))
    with path.open("rb+") as file:
        file.truncate(size + 1000 if within == "rows" else path.stat().st_size - 1500)
    pieces = pieces_at(path)
    assert load(pieces).name == first.name
    third = taken(database_url, store.archive, pieces).manifest
    assert (load(pieces_at(path)).name, damage(pieces_at(path))) == (third.name, 0)


def test_a_place_with_something_else(tmp_path: Path) -> None:
    """Nothing is written over it."""
    other = tmp_path / "folder" / "letter"
    other.parent.mkdir()
    other.write_text("Dear all")
    for place in (other, other.parent):
        with pytest.raises(HealixError, match="something else"):
            pieces_at(place)
    with pytest.raises(HealixError, match="there is no backup"):
        open_kept(str(tmp_path / "none"), Settings())


def _during(act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something when a backup has its rows, before it copies blobs."""
    counters = rows.counters

    def later(connection: Connection[Row]) -> object:
        act()
        return counters(connection)

    monkeypatch.setattr(rows, "counters", later)


def test_blobs_wait_for_a_backup(
    store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is removed for good while a backup runs is in the backup; its file goes with the next sweep."""
    store.run(delete(SYSTEM, uid(1)))
    store.sql("UPDATE deleted_instance SET deleted = now() - interval '2 days'")

    def remove() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            assert purge(connection, store.archive, 1) == 3
            assert store.run(sweep(store.archive, age=-1)) == 0

    _during(remove, monkeypatch)
    pieces = pieces_at(f"{tmp_path}/folder/")
    done = taken(database_url, store.archive, pieces)
    assert (done.new_blobs, done.manifest.damaged) == (3, ())
    assert store.run(sweep(store.archive, age=-1)) == 3


def test_one_at_a_time(store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second backup to the same place is refused while one runs."""
    refused = []

    def another() -> None:
        with pytest.raises(HealixError) as error:
            taken(database_url, store.archive, pieces_at(f"{tmp_path}/folder/"))
        refused.append(error.value.category)

    _during(another, monkeypatch)
    taken(database_url, store.archive, pieces_at(f"{tmp_path}/folder/"))
    assert refused == [Category.CONFLICT]


def test_two_that_begin_with_one_place(
    store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one writes could not be opened by the header that the other has written: it is refused, or ends as none."""
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    early, late, other = (pieces_at(f"{tmp_path}/{name}/", key) for name in ("early", "late", "other"))
    header = other.store.get(HEADER) or b""
    early.store.put(HEADER, header)
    _during(lambda: late.store.put(HEADER, header), monkeypatch)
    for pieces in (early, late):
        with pytest.raises(HealixError, match="has begun with this place"):
            taken(database_url, store.archive, pieces)
        with pytest.raises(HealixError, match=r"no (whole )?backup"):
            load(pieces)
    assert (blobs(early), blobs(late)) == (0, 3)


def test_not_while_a_migration_runs(store: Store, database_url: str, tmp_path: Path) -> None:
    """It would change the tables below the snapshot."""
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (migrate.LOCK,))
        with pytest.raises(HealixError, match="migrated"):
            taken(database_url, store.archive, pieces_at(f"{tmp_path}/folder/"))


def test_a_damaged_image_is_told(store: Store, database_url: str, tmp_path: Path) -> None:
    """Of images that are missing or damaged the backup says so, and has the others."""
    (gone,), (flipped,), _ = store.sql("SELECT blob FROM instance ORDER BY blob")
    for key in (gone, flipped):
        path = store.archive.path(key)
        assert path is not None
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1])) if key == flipped else path.unlink()
    pieces = pieces_at(f"{tmp_path}/folder/")
    done = taken(database_url, store.archive, pieces)
    assert (done.manifest.damaged, done.new_blobs, done.manifest.blobs) == ((gone, flipped), 1, 1)
    assert damage(pieces) == 0


def test_what_is_left_of_an_image_is_not_written_over(store: Store, database_url: str, tmp_path: Path) -> None:
    """In full, too, the copy of an image that was damaged since stays, and is in the newest backup."""
    pieces = pieces_at(f"{tmp_path}/folder/")
    first = taken(database_url, store.archive, pieces).manifest
    key = store.sql("SELECT min(blob) FROM instance")[0][0]
    path = store.archive.path(key)
    assert path is not None
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    second = taken(database_url, store.archive, pieces, full=True)
    assert (second.new_blobs, second.manifest.blobs, second.manifest.damaged) == (2, 3, ())
    assert damage(pieces) == verify(pieces, first, lambda _: None).damaged == 0


def test_a_file_that_has_grown_since_it_was_opened(store: Store, database_url: str, tmp_path: Path) -> None:
    """What another backup has written meanwhile stays."""
    path = tmp_path / "file"
    taken(database_url, store.archive, pieces_at(path))
    early = pieces_at(path)
    between = taken(database_url, store.archive, pieces_at(path)).manifest
    last = taken(database_url, store.archive, early).manifest
    pieces = pieces_at(path)
    assert [verify(pieces, load(pieces, one.name), lambda _: None).damaged for one in (between, last)] == [0, 0]


def test_a_manifest_that_is_larger_than_a_piece(store: Store, database_url: str, tmp_path: Path) -> None:
    """It names all pieces of all tables, and is read however many there are; another piece is not."""
    pieces = pieces_at(f"{tmp_path}/folder/")
    name = taken(database_url, store.archive, pieces).manifest.name
    large = structs.replace(load(pieces), damaged=("0" * 84,) * 100_000)
    pieces.put(manifest_of(name), msgpack.encode(large))
    assert load(pieces) == large
    with pytest.raises(DamagedError):
        pieces.get(manifest_of(name))


def test_a_list_is_written_after_what_it_names(
    store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blobs are durable before a list says that they are there: the next backup believes it."""
    pieces = pieces_at(f"{tmp_path}/file")
    done: list[str] = []
    put, settle = pieces.store.put, pieces.store.settle

    def noted(name: str, data: bytes) -> None:
        done.append(name)
        put(name, data)

    def settled() -> None:
        done.append("settled")
        settle()

    monkeypatch.setattr(pieces.store, "put", noted)
    monkeypatch.setattr(pieces.store, "settle", settled)
    taken(database_url, store.archive, pieces)
    at = next(number for number, name in enumerate(done) if "/list/" in name)
    assert [name.startswith(BLOBS) for name in done[at - 2 : at]] == [True, False]
    assert done[at - 1] == "settled"
