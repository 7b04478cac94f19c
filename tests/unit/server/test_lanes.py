"""Lines over several lanes, with writers that only remember."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from healix_fhir.server.importing import lanes
from healix_fhir.server.importing.lanes import GROUP_BYTES, GROUP_LINES, UNDER_WAY, Lanes
from healix_fhir.server.importing.lines import Line, Written
from healix_fhir.server.importing.report import Place, Report


class Remembering:
    """A writer that keeps the groups it was given; one that is held waits to be let go."""

    def __init__(self, *, held: bool = False) -> None:
        self.groups: list[list[Line]] = []
        self.closed = False
        self.going = threading.Event()
        if not held:
            self.going.set()

    def write(self, lines: Sequence[Line]) -> Written:
        """Refuse what says so."""
        self.groups.append(list(lines))
        self.going.wait(10)
        refused = [(place, ["bad"]) for place, body in lines if body == b"bad"]
        return Written(len(lines) - len(refused), refused)

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def place(line: int) -> Place:
    """A line of the file."""
    return Place("file", line)


def test_order() -> None:
    """Lines about one resource go down one lane in their order, those about many over all lanes."""
    writers = [Remembering(), Remembering()]
    with Lanes(writers, Report()) as taken:
        for line in range(3 * GROUP_LINES):
            taken.take(f"Patient/{line % 100}", place(line), b"{}")
        taken.drain()
    lines = [[at.line for group in writer.groups for at, _ in group] for writer in writers]
    assert all(lines)
    assert sorted(lines[0] + lines[1]) == list(range(3 * GROUP_LINES))
    assert all(found == sorted(found) for found in lines)
    assert not {line % 100 for line in lines[0]} & {line % 100 for line in lines[1]}


@pytest.mark.parametrize(("size", "most"), [(1, GROUP_LINES), (GROUP_BYTES // 4, 4)])
def test_groups(size: int, most: int) -> None:
    """A group ends when it has enough lines or enough bytes."""
    writer = Remembering()
    with Lanes([writer], Report()) as taken:
        for line in range(most + 1):
            taken.take("", place(line), b" " * size)
        taken.drain()
    assert [len(group) for group in writer.groups] == [most, 1]


def test_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than two groups of a lane are under way: who brings more waits."""
    monkeypatch.setattr(lanes, "GROUP_LINES", 1)
    writer, taken_lines = Remembering(held=True), 0
    with Lanes([writer], Report()) as taken:

        def bring() -> None:
            nonlocal taken_lines
            for line in range(UNDER_WAY + 2):
                taken.take("", place(line), b"{}")
                taken_lines += 1

        bringing = threading.Thread(target=bring)
        bringing.start()
        bringing.join(0.2)
        waited = bringing.is_alive(), taken_lines
        writer.going.set()
        bringing.join(10)
    assert waited == (True, UNDER_WAY)
    assert taken_lines == UNDER_WAY + 2


def test_report() -> None:
    """What became of the lines is in the report, refused ones in the order of files and lines."""
    report = Report()
    with Lanes([Remembering(), Remembering()], report) as taken:
        for line in range(1, 41):
            taken.take(f"Patient/{line}", place(line), b"bad" if line % 4 == 0 else b"{}")
        taken.drain()
    found = report.as_json()
    assert (found["resources"], found["refused"]) == (30, 10)
    assert found["refused_items"] == [{"item": f"file:{line}", "reasons": ["bad"]} for line in range(4, 41, 4)]


def test_stopped() -> None:
    """An import that is stopped waits for the group that is being written, and begins no other."""
    writer = Remembering(held=True)
    threading.Timer(0.2, writer.going.set).start()

    def stop() -> None:
        with Lanes([writer], Report()) as taken:
            for line in range(2 * GROUP_LINES):
                taken.take("", place(line), b"{}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert len(writer.groups) == 1
    assert writer.closed
