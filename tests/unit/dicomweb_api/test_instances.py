"""Parts of a STOW-RS request are made durable while the next ones come, and counted when they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Lock

import pytest

from dicomweb.api.instances import AHEAD, Instances
from dicomweb.api.intake import Intake
from dicomweb.archive.local import LocalArchive
from dicomweb.archive.spool import unavailable
from dicomweb.study.receive import Receiver
from healix_fhir.kernel.errors import Category
from tests.support.dicom import ct, uid

PATIENCE = 60


class Slow(LocalArchive):
    """A disk that keeps nothing until `go`, and fails for the key that it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.go = Event()
        self.lock, self.at_once = Lock(), 0
        self.several, self.fails = Event(), ""

    def keep(self, spooled: str, descriptor: int, key: str) -> None:
        """Wait, and fail or keep it."""
        with self.lock:
            self.at_once += 1
            number = self.at_once
        if number == AHEAD:
            self.several.set()
        assert self.go.wait(PATIENCE)
        if str(number) == self.fails:
            raise unavailable(OSError("the disk"))
        super().keep(spooled, descriptor, key)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Slow]:
    """The disk, which nobody waits for at the end."""
    made = Slow(tmp_path)
    yield made
    made.go.set()


def sent(sink: Instances, numbers: range) -> None:
    """Let so many objects come in."""
    for number in numbers:
        sink.begin({"content-type": "application/dicom"})
        sink.data(ct(1, 1, number, size=8))
        sink.end()


def left(archive: LocalArchive, root: Path) -> list[Path]:
    """All files of the archive."""
    return [path for path in root.rglob("*") if path.is_file()]


def test_the_next_are_received_while_the_disk_works(archive: Slow, tmp_path: Path) -> None:
    """None counts as received before it is durable; then all do, in their order."""
    intake = Intake(Receiver(archive), None)
    sink = Instances(intake)
    sent(sink, range(1, AHEAD + 2))
    assert archive.several.wait(PATIENCE)
    assert intake.received == []
    archive.go.set()
    sent(sink, range(AHEAD + 2, AHEAD + 4))
    sink.settle()
    assert [one.sop_instance for one in intake.received] == [uid(1, 1, number) for number in range(1, AHEAD + 4)]
    assert len(left(archive, tmp_path)) == AHEAD + 3


def test_one_that_the_disk_does_not_take_is_refused_alone(archive: Slow, tmp_path: Path) -> None:
    """With its reason, and nothing of it stays."""
    archive.fails = "2"
    archive.go.set()
    intake = Intake(Receiver(archive), None)
    sink = Instances(intake)
    sent(sink, range(1, 4))
    sink.settle()
    assert len(intake.received) == 2
    (failure,) = intake.failures
    assert failure.error.category is Category.UNAVAILABLE
    assert failure.instance not in {one.sop_instance for one in intake.received}
    assert len(left(archive, tmp_path)) == 2


@pytest.mark.parametrize("half", [True, False], ids=["in the middle of an object", "after one"])
def test_nothing_stays_of_a_request_that_fails(archive: Slow, tmp_path: Path, half: bool) -> None:
    """Also not what was on its way to the disk."""
    intake = Intake(Receiver(archive), None)
    sink = Instances(intake)
    sent(sink, range(1, 4))
    if half:
        sink.begin({"content-type": "application/dicom"})
        sink.data(ct(1, 1, 9, size=8)[:600])
    archive.go.set()
    sink.discard()
    assert (intake.received, left(archive, tmp_path)) == ([], [])
