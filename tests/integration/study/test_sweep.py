"""The sweep removes orphans and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

from dicomweb.study.relabel.asked import ask
from dicomweb.study.relabel.undo import undo
from dicomweb.study.sweep import sweep
from tests.support.dicom import ct, uid
from tests.support.study import SYSTEM, Store


def age(path: Path) -> None:
    """Make a file two hours old."""
    os.utime(path, (time.time() - 7200,) * 2)


def test_orphans_are_removed_and_stored_objects_stay(store: Store) -> None:
    """Old leftovers and blobs without rows go; stored blobs, and young ones that may still get rows, stay."""
    store.add(ct(1, 1, 1, size=8))
    (stored,) = store.files()
    orphan, young = (store.archive.path(store.receive(ct(1, 1, number, size=8)).key) for number in (2, 3))
    leftover, arriving = store.archive.incoming / "old", store.archive.incoming / "new"
    leftover.write_bytes(b"x")
    arriving.write_bytes(b"x")
    assert orphan is not None
    assert young is not None
    for path in (orphan, leftover, store.root / stored):
        age(path)
    assert store.run(sweep(store.archive)) == 2
    left = {str(path.relative_to(store.root)) for path in (young, arriving)} | {stored}
    assert set(store.files()) == left


def test_a_folder_that_a_crash_left_goes(store: Store) -> None:
    """De-identification works in a folder of its own, which does not keep the sweep from its work."""
    left = store.archive.incoming / "deidentify-x"
    left.mkdir()
    (left / "0.dcm").write_bytes(b"x")
    assert store.run(sweep(store.archive, age=-60)) == 1
    assert not left.exists()


def test_what_a_change_of_labels_has_written_so_far_stays(store: Store) -> None:
    """It has no rows before all of it is written, which may take long."""
    store.add(ct(1, 1, 1, size=8))
    written = store.receive(ct(1, 1, 1, size=8))
    number = store.run(ask(SYSTEM, uid(1), labels={"PatientID": "P2"}, reason="wrong worklist entry"))
    assert store.run(sweep(store.archive, age=-60)) == 0
    assert store.archive.read(written.key, 0, written.size)
    store.run(undo(SYSTEM, number))
    assert store.run(sweep(store.archive, age=-60)) == 1
