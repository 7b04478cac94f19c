"""The sweep removes orphans and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

from dicomweb.study.sweep import sweep
from tests.support.dicom import ct
from tests.support.study import Store


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
