"""Files of bulk jobs made from an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from healix_fhir.bulk.store import LocalStore, Sink, making


class _Slow(LocalStore):
    """Notes the threads that begin and end a file."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.threads: list[threading.Thread] = []

    @contextmanager
    def make(self, key: str) -> Iterator[Sink]:
        self.threads.append(threading.current_thread())
        try:
            with super().make(key) as sink:
                yield sink
        finally:
            self.threads.append(threading.current_thread())


def test_whole(tmp_path: Path) -> None:
    """A file is begun and ended beside the event loop."""
    store = _Slow(tmp_path)

    async def write() -> None:
        async with making(store, "a/b") as sink:
            sink.write(b"x")

    asyncio.run(write())
    assert (tmp_path / "a/b").read_bytes() == b"x"
    assert len(store.threads) == 2
    assert threading.current_thread() not in store.threads


def test_cut_off(tmp_path: Path) -> None:
    """Of a file that failed nothing is left, and its error is raised."""
    store = _Slow(tmp_path)

    async def write() -> None:
        async with making(store, "a/b"):
            raise KeyError("cut off")

    with pytest.raises(KeyError, match="cut off"):
        asyncio.run(write())
    assert not (tmp_path / "a/b").exists()
    assert threading.current_thread() not in store.threads
