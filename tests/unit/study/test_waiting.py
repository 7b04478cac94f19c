"""Objects that were written anew wait on the disk."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from dicomweb.dicomjson.header import Header
from dicomweb.index.further import Value
from dicomweb.pixel.layout import Layout, Pixels
from dicomweb.study.receive import Received
from dicomweb.study.relabel.edit import Change
from dicomweb.study.relabel.objects import Concerned
from dicomweb.study.relabel.waiting import Waiting
from tests.support.dicom import uid

CONCERNED = Concerned(uid(1), uid(1, 1, 1), "ab/cd/old", 100, Change())


def received(number: int) -> Received:
    """An object with everything that is written of it."""
    return Received(
        "1.2.840.10008.5.1.4.1.1.2", uid(1, 1, number), "1.2.840.10008.1.2.1", uid(1), uid(1, 1), f"ab/cd/{number}",
        5000, bytes(16), Header({0x00100020: b'{"vr":"LO"}'}, b"{}" + b" " * 4000, {}),
        Layout({"7FE00010": ("OW", 1, 2)}, Pixels(8, 8, 1, 16, "MONOCHROME2", 0, 1, "OW"), 10, 128), None,
        (Value(3, 7, "", 0, "x", 1.5),),
    )  # fmt: skip


def test_all_that_is_written_comes_back(tmp_path: Path) -> None:
    """In order, in groups, as often as it is asked for."""
    with Waiting(tmp_path) as waiting:
        for number in range(1, 8):
            waiting.add(Concerned(uid(1), uid(1, 1, number), f"old{number}", 9, Change()), received(number))
        for _ in range(2):
            groups = list(waiting.groups(3))
            assert [len(group) for group in groups] == [3, 3, 1]
            found = [one for group in groups for one in group]
            assert [one.received() for one in found] == [received(number) for number in range(1, 8)]
            assert [one.before for one in found] == [f"old{number}" for number in range(1, 8)]
        assert (len(waiting), waiting.first) == (7, uid(1, 1, 1))
    assert list(tmp_path.iterdir()) == []


def test_what_waits_takes_no_memory_but_its_name(tmp_path: Path) -> None:
    """A few hundred bytes an object at most, of which the metadata alone have thousands."""
    with Waiting(tmp_path) as waiting:
        waiting.add(CONCERNED, received(0))
        tracemalloc.start()
        for number in range(1, 2001):
            waiting.add(CONCERNED, received(number))
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert taken / 2000 < 300
