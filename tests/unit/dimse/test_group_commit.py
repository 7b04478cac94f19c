"""Objects that are finished together are committed together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import cast

import psycopg
import pytest
from psycopg import DataError, OperationalError

from dicomweb.dimse import group_commit
from dicomweb.dimse.group_commit import DepositNew, GroupCommit
from dicomweb.study.receive import Received
from dicomweb.study.store import Disposition, Outcome
from healix_fhir.kernel.audit import Origin
from smart_auth.access import AccessContext
from smart_auth.scope import parse

ONE, TWO = (AccessContext(scopes=frozenset(), origin=Origin(client=name)) for name in ("CT1", "CT2"))
THREE = AccessContext(scopes=parse("system/ImagingStudy.c"), origin=Origin(client="CT3"))


def received(name: str) -> Received:
    """Stands for a received object; the committer only passes it on."""
    return cast("Received", name)


def outcome(name: object) -> Outcome:
    """The outcome of the object `name`."""
    return Outcome("1.2", str(name), "1.2.3", "1.2.4", Disposition.STORED)


class Database:
    """A `deposit` that waits in its first group until it is told to go on."""

    def __init__(self, *, failing: Callable[[list[object]], Exception | None] = lambda group: None) -> None:
        self.groups: list[tuple[str | None, list[object]]] = []
        self.entered, self.go_on = Event(), Event()
        self._failing = failing

    def deposit(self, access: AccessContext, group: Sequence[Received]) -> list[Outcome]:
        """Note the group."""
        self.groups.append((access.origin.client, list(group)))
        self.entered.set()
        assert self.go_on.wait(5)
        if (error := self._failing(list(group))) is not None:
            raise error
        return [outcome(item) for item in group]


def store_together(
    database: Database, callers: Sequence[tuple[AccessContext, str]], new: DepositNew = lambda *_: None
) -> dict[str, Outcome | Exception]:
    """Store the first object, and the others while the first is being committed; what each got."""
    commit = GroupCommit(database.deposit, database.deposit, new=new)
    got: dict[str, Outcome | Exception] = {}

    def one(access: AccessContext, name: str) -> None:
        try:
            got[name] = commit.store(access, lambda: received(name))
        except psycopg.Error as error:
            got[name] = error

    threads = [Thread(target=one, args=caller) for caller in callers]
    threads[0].start()
    assert database.entered.wait(5)
    for thread in threads[1:]:
        thread.start()
    while len(commit._waiting) < len(callers) - 1:
        pass
    database.go_on.set()
    for thread in threads:
        thread.join(5)
    return got


def test_what_arrives_during_a_commit_is_the_next_group() -> None:
    """The first object goes alone and at once; those that wait for it share one commit, each with its own outcome."""
    database = Database()
    got = store_together(database, [(ONE, "a"), (ONE, "b"), (ONE, "c"), (ONE, "d")])
    assert [len(group) for _, group in database.groups] == [1, 3]
    assert got == {name: outcome(name) for name in "abcd"}


def test_a_commit_waits_a_moment_for_what_is_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object that another association is bringing to the disk joins the group; one that fails there does not. What
    can be done for the first one meanwhile is.
    """
    monkeypatch.setattr(group_commit, "PATIENCE", 5)
    database, on_disk, begun = Database(), Event(), list[object]()
    database.go_on.set()
    commit = GroupCommit(database.deposit, database.deposit, begun.append)

    def slow() -> Received:
        assert on_disk.wait(5)
        return received("b")

    def fails() -> Received:
        assert on_disk.wait(5)
        raise OSError("the disk is full")

    def refused() -> None:
        with pytest.raises(OSError, match="full"):
            commit.store(ONE, fails)

    threads = [Thread(target=commit.store, args=(ONE, slow)), Thread(target=refused)]
    threads.append(Thread(target=commit.store, args=(ONE, lambda: received("a"))))
    for thread in threads[:2]:
        thread.start()
    while commit._coming < 2:
        pass
    threads[2].start()
    while not begun:
        pass
    on_disk.set()
    for thread in threads:
        thread.join(5)
    assert begun == ["a"]
    assert [sorted(map(str, group)) for _, group in database.groups] == [["a", "b"]]


def test_nobody_waits_for_ever_for_what_is_coming() -> None:
    """A commit goes on without an object that takes long to reach the disk."""
    database, on_disk = Database(), Event()
    database.go_on.set()
    commit = GroupCommit(database.deposit, database.deposit)

    def slow() -> Received:
        assert on_disk.wait(5)
        return received("b")

    other = Thread(target=commit.store, args=(ONE, slow))
    other.start()
    while commit._coming < 1:
        pass
    assert commit.store(ONE, lambda: received("a")) == outcome("a")
    on_disk.set()
    other.join(5)


def test_who_came_during_a_commit_goes_on_by_itself() -> None:
    """An object that nobody comes after is committed too, however many groups there were before it."""
    database = Database()
    commit, got = GroupCommit(database.deposit, database.deposit), list[Outcome]()
    threads = [Thread(target=lambda: got.append(commit.store(ONE, lambda: received("a")))) for _ in range(2)]
    threads[0].start()
    assert database.entered.wait(5)
    threads[1].start()
    while not commit._waiting:
        pass
    database.go_on.set()
    for thread in threads:
        thread.join(5)
    assert got == [outcome("a")] * 2
    assert commit.store(ONE, lambda: received("b")) == outcome("b")
    assert [len(group) for _, group in database.groups] == [1, 1, 1]


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "not all new"])
def test_several_callers_of_the_same_rights_share_a_group(is_new: bool) -> None:
    """As long as all of their objects are new; else those of each are a group. What each sent stays its own."""
    database, asked = Database(), list[dict[object, str | None]]()

    def new(access: AccessContext, origins: Sequence[Origin], group: Sequence[Received]) -> list[Outcome] | None:
        assert access.origin == Origin()
        asked.append({item: origin.client for item, origin in zip(group, origins, strict=True)})
        return [outcome(item) for item in group] if is_new else None

    got = store_together(database, [(ONE, "a"), (ONE, "b"), (TWO, "c"), (THREE, "d"), (TWO, "e")], new)
    assert asked == [{"b": "CT1", "c": "CT2", "e": "CT2"}]
    groups = sorted((client, sorted(map(str, group))) for client, group in database.groups[1:] if client)
    assert groups == [*([] if is_new else [("CT1", ["b"]), ("CT2", ["c", "e"])]), ("CT3", ["d"])]
    assert got == {name: outcome(name) for name in "abcde"}


def test_who_cannot_commit_lets_the_next_one() -> None:
    """An object whose commit fails before it has begun keeps nobody waiting."""
    database, on_disk, failing = Database(), Event(), Event()
    database.go_on.set()

    def fails(_: Received) -> None:
        if not failing.is_set():
            failing.set()
            while not commit._waiting[1:]:
                pass
            raise MemoryError

    def slow() -> Received:
        assert on_disk.wait(5)
        return received("b")

    def refused() -> None:
        with pytest.raises(MemoryError):
            commit.store(ONE, lambda: received("a"))

    commit = GroupCommit(database.deposit, database.deposit, fails)
    threads = [Thread(target=commit.store, args=(ONE, slow)), Thread(target=refused)]
    threads[0].start()
    while commit._coming < 1:
        pass
    threads[1].start()
    assert failing.wait(5)
    on_disk.set()
    for thread in threads:
        thread.join(5)
    assert not any(thread.is_alive() for thread in threads)
    assert [group for _, group in database.groups] == [["b"]]


def test_a_group_has_one_caller() -> None:
    """Objects of different callers are stored under the access of each."""
    database = Database()
    got = store_together(database, [(ONE, "a"), (ONE, "b"), (TWO, "c"), (ONE, "d"), (TWO, "e")])
    assert sorted((client, sorted(map(str, group))) for client, group in database.groups[1:] if client) == [
        ("CT1", ["b", "d"]),
        ("CT2", ["c", "e"]),
    ]
    assert set(got) == set("abcde")


def test_a_lost_database_is_told_to_everyone_of_the_group() -> None:
    """Nobody of a group that may not have been stored is told that it was, and it is not tried again."""
    database = Database(failing=lambda group: OperationalError("connection lost"))
    got = store_together(database, [(ONE, "a"), (ONE, "b"), (ONE, "c")])
    assert [type(answer) for answer in got.values()] == [OperationalError] * 3
    assert [len(group) for _, group in database.groups] == [1, 2]


def test_a_bad_object_harms_no_other() -> None:
    """When a group fails for one of its objects, the others are stored all the same."""
    database = Database(failing=lambda group: DataError("cannot be stored") if "bad" in group else None)
    got = store_together(database, [(ONE, "a"), (ONE, "b"), (ONE, "bad"), (ONE, "c")])
    assert type(got.pop("bad")) is DataError
    assert got == {name: outcome(name) for name in "abc"}
