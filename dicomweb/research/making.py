"""Stored objects de-identified in several processes, a bounded number at a time, in the order asked.

Processes and not threads: what the library keeps of its strictness is one for all threads of a process.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from dicomweb.archive.blobs import Archive
from dicomweb.deidentify.keys import Keys
from dicomweb.deidentify.object import Done, deidentified
from dicomweb.deidentify.options import Profile
from dicomweb.research.projects import Project
from dicomweb.study.retrieve import Instance
from healix_fhir.kernel.children import deaf
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError

T = TypeVar("T")

UNDER_WAY = 3
"""Objects for each process that are handed out and not yet taken: their results lie on the disk meanwhile."""


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one stored object: the file that was made, and what is said of it; or the reason why none was."""

    instance: Instance
    path: Path
    done: Done | None
    reason: str = ""


def named(study: str, work: Work[T]) -> Work[T]:
    """What is done with one study of several; what goes wrong with it says which one it is."""
    try:
        return (yield from work)
    except HealixError as error:
        raise HealixError(error.category, f"{study[:64]}: {error.message}") from error


def each(archive: Archive, project: Project, instances: Iterable[Instance], processes: int) -> Iterator[Made]:
    """De-identify stored objects; a file is gone when the next one is asked for. Raises Unavailable."""
    with (
        TemporaryDirectory(prefix="deidentify-", dir=archive.incoming) as folder,
        ProcessPoolExecutor(processes, get_context("spawn"), _warm) as pool,
    ):
        under_way: deque[tuple[Instance, Path, Future[Done | str]]] = deque()
        for number, one in enumerate(instances):
            source, target = file_of(archive, one, Path(folder, f"{number}.from")), Path(folder, f"{number}.dcm")
            with deaf():
                future = pool.submit(_make, source, target, project.secret, project.profile)
            under_way.append((one, target, future))
            if len(under_way) >= UNDER_WAY * processes:
                yield from _taken(under_way.popleft())
        while under_way:
            yield from _taken(under_way.popleft())


def _taken(waiting: tuple[Instance, Path, Future[Done | str]]) -> Iterator[Made]:
    one, target, future = waiting
    result = future.result()
    yield Made(one, target, None, result) if isinstance(result, str) else Made(one, target, result)
    target.unlink(missing_ok=True)
    target.with_suffix(".from").unlink(missing_ok=True)


def file_of(archive: Archive, one: Instance, spare: Path) -> Path:
    """The file of a stored object; of one that is elsewhere a copy at `spare`."""
    path = archive.path(one.key)
    if path is not None and path.exists():
        return path
    with spare.open("wb") as file:
        file.writelines(archive.stream(one.key))
    return spare


def _warm() -> None:
    """Start low: whoever waits for an answer goes before."""
    os.nice(5)


def _make(source: Path, target: Path, secret: bytes, profile: Profile) -> Done | str:
    """In a process of the pool: what was made, or why nothing was."""
    try:
        with source.open("rb") as file, target.open("w+b") as made:
            return deidentified(file, made, Keys(secret), profile)
    except HealixError as error:
        return error.message
