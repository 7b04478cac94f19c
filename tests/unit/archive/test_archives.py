"""Both kinds of archive keep the same contract; the object store is obstore's in memory or on disk."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from pathlib import Path

import pytest
from obstore.store import from_url

from dicomweb.archive.blobs import STREAM_CHUNK, Archive, new_key
from dicomweb.archive.local import LocalArchive
from dicomweb.archive.opening import check_archive, open_archive
from dicomweb.archive.remote import RemoteArchive
from dicomweb.archive.spool import BUFFER, PIECES, Spool, clear
from dicomweb.archive.tiered import TieredArchive
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.settings import Settings

DATA = bytes(range(256)) * 20_000


@pytest.fixture(params=["local", "remote", "tiered"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    """An empty archive."""
    near = LocalArchive(tmp_path / "images")
    if request.param == "local":
        return near
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    far = RemoteArchive(from_url(bucket.as_uri()), tmp_path / "spool")
    return far if request.param == "remote" else TieredArchive(near, far)


@pytest.fixture
def tiers(tmp_path: Path) -> TieredArchive:
    """An empty archive of two tiers."""
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    return TieredArchive(
        LocalArchive(tmp_path / "images"), RemoteArchive(from_url(bucket.as_uri()), tmp_path / "images")
    )


def test_what_is_at_hand(archive: Archive) -> None:
    """Bytes that are in memory are read without waiting, or not at all; what is not there is never at hand."""
    key = keep(archive)
    into = bytearray(5000)
    if archive.read_at_hand(key, 1000, memoryview(into)):
        assert bytes(into) == DATA[1000:6000]
    assert not archive.read_at_hand(key, len(DATA) - 10, memoryview(into))
    assert not archive.read_at_hand(key[:-1], 0, memoryview(into))


def test_moved(tiers: TieredArchive) -> None:
    """A moved blob is read and streamed as before, and removed from both tiers; a stream under way is not disturbed."""
    key = keep(tiers)
    stream = tiers.stream(key)
    begun = next(stream)
    assert tiers.path(key) is not None
    assert tiers.move(key) == len(DATA)
    assert begun + b"".join(stream) == DATA
    assert tiers.path(key) is None
    assert tiers.has(key)
    assert tiers.read(key, 1000, 5000) == DATA[1000:6000]
    assert b"".join(tiers.stream(key, 300, 2_000_000)) == DATA[300:2_000_300]
    assert tiers.move(key) == 0
    tiers.remove([key])
    assert not tiers.has(key)


def test_moved_between_looks(tiers: TieredArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has seen the blob on the disk just before it moved finds it in the store."""
    key = keep(tiers)
    seen = tiers.path(key)
    tiers.move(key)
    monkeypatch.setattr(tiers, "path", lambda _: seen)
    assert tiers.read(key, 0, 4) == DATA[:4]
    assert b"".join(tiers.stream(key)) == DATA


def test_move_killed_between(tiers: TieredArchive) -> None:
    """A move that was killed before it unlinked the file is made again; a store that is away costs nothing."""
    key = keep(tiers)
    path = tiers.path(key)
    assert path is not None
    content = path.read_bytes()
    tiers.move(key)
    path.write_bytes(content)
    assert tiers.move(key) == len(DATA)
    assert b"".join(tiers.stream(key)) == DATA
    away = keep(tiers)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("obstore.put", _fail)
        with pytest.raises(HealixError):
            tiers.move(away)
    assert b"".join(tiers.stream(away)) == DATA


def _fail(*_: object, **__: object) -> None:
    raise OSError(errno.ECONNREFUSED, "away")


def keep(archive: Archive, data: bytes = DATA, key: str | None = None) -> str:
    """Put a blob into the archive."""
    spool = Spool(archive.incoming)
    spool.write(data)
    spool.flush()
    key = key or new_key("1.2", "1.2.3", secrets.token_hex(8))
    archive.keep(spool.place, spool.descriptor, key)
    spool.close()
    return key


def test_what_is_kept_is_read_in_ranges_and_streams(archive: Archive) -> None:
    """A blob comes out whole, in part and in chunks of bounded size; nothing stays in `incoming`."""
    key = keep(archive)
    assert archive.read(key, 1000, 5000) == DATA[1000:6000]
    assert archive.read(key, 5, 0) == b""
    chunks = list(archive.stream(key))
    assert b"".join(chunks) == DATA
    assert b"".join(archive.stream(key, 300, 2_000_000)) == DATA[300:2_000_300]
    assert b"".join(archive.stream(key, len(DATA) - 7)) == DATA[-7:]
    assert list(archive.stream(key, 5, 0)) == []
    assert list(archive.incoming.iterdir()) == []


def test_chunks_of_a_local_stream_are_bounded(tmp_path: Path) -> None:
    """One download costs one chunk of memory."""
    archive = LocalArchive(tmp_path)
    assert max(map(len, archive.stream(keep(archive)))) == STREAM_CHUNK


def test_a_blob_that_is_short_or_gone_is_unavailable(archive: Archive) -> None:
    """Rows that promise more than there is give a clear answer, not short data."""
    key = keep(archive, b"short")
    for asked, length in ((key, 50), ("00/none", 1)):
        with pytest.raises(HealixError) as caught:
            archive.read(asked, 0, length)
        assert caught.value.category is Category.UNAVAILABLE
        assert key not in caught.value.message
    for reading in (lambda: archive.read("00/none", 0, 1), lambda: list(archive.stream("00/none"))):
        with pytest.raises(HealixError, match="missing") as caught:
            reading()
        assert caught.value.retry_after is None


def test_removing_twice_is_no_error(archive: Archive) -> None:
    """Removal is idempotent and takes only what it names."""
    one, two = keep(archive), keep(archive)
    archive.remove([one])
    archive.remove([one, one])
    assert [key for batch in archive.older_than(-10) for key in batch] == [two]


def test_each_reception_has_a_key_of_its_own() -> None:
    """The same UIDs and different random names give different keys in one directory, of hexadecimal digits only."""
    keys = {new_key("1.2", "1.2.3", random) for random in ("0a", "0b")}
    assert len(keys) == 2
    assert len({key.rpartition("/")[0] for key in keys}) == 1
    assert all(set(key) <= set("0123456789abcdef/") for key in keys)


def test_a_forked_process_draws_names_of_its_own(tmp_path: Path) -> None:
    """Two processes that were one draw no name twice."""
    coming, going = os.pipe()
    child = os.fork()
    if not child:
        os.write(going, Spool(tmp_path).name.encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs, ours = os.read(coming, 100).decode(), Spool(tmp_path).name
    os.close(coming)
    os.close(going)
    assert len(ours) == len(theirs) == 32
    assert ours != theirs


def test_older_than_leaves_the_young(tmp_path: Path) -> None:
    """Only blobs of the given age are listed."""
    archive = LocalArchive(tmp_path)
    young, old = keep(archive), keep(archive)
    path = archive.path(old)
    assert path is not None
    os.utime(path, (time.time() - 7200,) * 2)
    assert list(archive.older_than(3600)) == [[old]]
    assert young != old


@pytest.mark.parametrize(
    ("number", "category"),
    [(errno.ENOSPC, Category.FULL), (errno.EDQUOT, Category.FULL), (errno.EIO, Category.UNAVAILABLE)],
)
def test_a_disk_that_is_full_or_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, category: Category
) -> None:
    """When writing fails, the sender is told that there is no room or to try again; the reason is for the log."""

    def full(*_: object) -> int:
        raise OSError(number, "No space left on device")

    spool = Spool(LocalArchive(tmp_path).incoming)
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(HealixError) as caught:
        spool.write(bytes(BUFFER))
    spool.discard()
    assert caught.value.category is category
    assert "space" not in caught.value.message
    assert "space" in (caught.value.detail or "")


def test_a_failed_sync_leaves_no_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be made durable is not kept."""

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    archive = LocalArchive(tmp_path)
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(HealixError):
        keep(archive)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_names_are_forced_to_the_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blobs are entered by forcing each directory once, those above it when this process sees it first."""
    synced = []

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(tmp_path))

    archive = LocalArchive(tmp_path)
    keys = [keep(archive) for _ in range(3)]
    monkeypatch.setattr(os, "fsync", note)
    archive.enter(keys)
    study = Path("blobs", keys[0]).parent
    assert sorted(synced) == [Path("blobs"), study.parent, study]
    archive.enter(keys)
    assert synced[3:] == [study]
    LocalArchive(tmp_path).enter(keys)
    assert len(synced) == 7


def test_a_name_in_an_old_directory_is_forced_with_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A further blob of a study has its name on the disk when it is kept, so that to enter it costs nothing more."""
    synced = []

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(tmp_path))

    archive = LocalArchive(tmp_path)
    archive.enter([keep(archive)])
    monkeypatch.setattr(os, "fsync", note)
    key = keep(archive)
    assert sorted(synced) == [Path("blobs", key).parent, Path("blobs", key)]
    archive.enter([key])
    assert len(synced) == 2


def test_names_of_blobs_that_come_together_are_forced_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A blob that comes while another is forced to the disk leaves its directory to who enters them all."""
    archive = LocalArchive(tmp_path)
    synced: list[Path] = []
    keys: list[str] = []
    coming = [True]

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append(path.relative_to(tmp_path))
        if path.is_file() and coming:
            coming.clear()
            keys.append(keep(archive))

    archive.enter([keep(archive)])
    monkeypatch.setattr(os, "fsync", note)
    keys.append(keep(archive))
    study = Path("blobs", keys[0]).parent
    assert sorted(synced) == sorted([study, *(Path("blobs", key) for key in keys)])
    archive.enter(keys)
    assert synced[3:] == [study]


def test_a_directory_is_forced_for_all_that_lie_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who enters a blob enters those that were put beside it before, and not those that come while it is forced."""
    archive = LocalArchive(tmp_path)
    first, second = (keep(archive) for _ in range(2))
    study = Path("blobs", first).parent
    synced: list[Path] = []
    late: list[str] = []

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(tmp_path)
        synced.append(path)
        if path == study and not late:
            late.append("")
            late[0] = keep(archive)

    monkeypatch.setattr(os, "fsync", note)
    archive.enter([first])
    synced.clear()
    archive.enter([second])
    assert synced == []
    archive.enter(late)
    assert synced == [study]


def test_a_lone_blob_is_known_by_the_one_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where blobs came together, the first that comes alone is taken for one of many, and the next one for lone."""
    archive = LocalArchive(tmp_path)
    archive.enter([keep(archive)])
    study: list[Path] = []
    beside: list[str] = []

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_dir():
            study.append(path)
        elif not beside:
            beside.append("")
            beside[0] = keep(archive)

    monkeypatch.setattr(os, "fsync", note)
    keep(archive)
    study.clear()
    keep(archive)
    assert study == []
    keep(archive)
    assert len(study) == 1


def test_a_name_that_is_not_forced_leaves_no_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has its bytes on the disk and not its name is not kept either."""

    def broken(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_dir():
            raise OSError(5, "Input/output error")

    archive = LocalArchive(tmp_path)
    kept = keep(archive)
    archive.enter([kept])
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(HealixError):
        keep(archive)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "blobs" / kept]


def test_a_directory_that_was_made_again_is_entered_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the directory of a study went, the names above the new one are forced once more."""
    synced = []

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(tmp_path))

    archive = LocalArchive(tmp_path)
    key = keep(archive)
    archive.enter([key])
    shutil.rmtree(tmp_path / "blobs" / Path(key).parent.parent)
    again = keep(archive)
    monkeypatch.setattr(os, "fsync", note)
    archive.enter([again])
    study = Path("blobs", again).parent
    assert sorted(synced) == [Path("blobs"), study.parent, study]


def test_what_is_gathered_is_written_in_order(tmp_path: Path) -> None:
    """Pieces of any size come out as one, also before the end."""
    spool = Spool(LocalArchive(tmp_path).incoming)
    pieces = [bytes([n]) * size for n, size in enumerate((3, BUFFER, 70_000, BUFFER - 1, 5, 0))]
    for piece in pieces:
        spool.write(memoryview(piece))
    spool.flush()
    assert spool.path.read_bytes() == b"".join(pieces)
    assert spool.size == sum(map(len, pieces))
    spool.discard()


def test_what_is_written_may_change_afterwards(tmp_path: Path) -> None:
    """Bytes that others write into again are copied; many small pieces become one."""
    spool = Spool(LocalArchive(tmp_path).incoming)
    reused = bytearray(1)
    for number in range(2 * PIECES):
        reused[0] = number % 256
        spool.write(memoryview(reused) if number % 2 else reused)
    assert spool.held == bytes(number % 256 for number in range(2 * PIECES))
    spool.discard()


def test_what_is_small_and_dropped_never_touches_the_disk(tmp_path: Path) -> None:
    """There is a file from the first bytes on that are written; until then what was gathered can be read."""
    spool = Spool(LocalArchive(tmp_path).incoming)
    spool.write(bytes(BUFFER - 1))
    assert (spool.held, spool.path.exists()) == (bytes(BUFFER - 1), False)
    spool.discard()
    assert not spool.path.exists()
    spool = Spool(LocalArchive(tmp_path).incoming)
    spool.write(bytes(BUFFER))
    assert (spool.held, spool.path.exists()) == (None, True)
    spool.discard()
    assert not spool.path.exists()


def test_the_settings_choose_the_archive(tmp_path: Path) -> None:
    """An empty blob URL is the data directory, another an object store."""
    assert isinstance(open_archive(Settings(data_dir=tmp_path)), LocalArchive)
    assert isinstance(open_archive(Settings(data_dir=tmp_path, blob_url="memory:///")), RemoteArchive)


def test_a_start_clears_what_a_crash_left(tmp_path: Path) -> None:
    """Files on their way in for hours are removed when a server starts, younger ones may be another process's."""
    settings = Settings(data_dir=tmp_path)
    young, old = (Spool(open_archive(settings).incoming) for _ in range(2))
    young.flush()
    old.flush()
    os.utime(old.path, (time.time() - 7200,) * 2)
    check_archive(settings)
    assert (young.path.exists(), old.path.exists()) == (True, False)
    young.discard()
    old.close()


def test_what_goes_while_it_is_looked_at_is_not_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that a server writes to: an object that was kept between two looks is no reason to fail."""
    (tmp_path / "old").touch()
    monkeypatch.setattr(Path, "iterdir", lambda _: iter([tmp_path / "kept meanwhile", tmp_path / "old"]))
    assert clear(tmp_path, age=-1) == 1
    assert not (tmp_path / "old").exists()
