"""DICOMweb beside Orthanc with its plugin: both with `TCP_NODELAY=1`, in alternating rounds, medians compared.

One row: `pytest tests/bench/test_dicomweb.py -m bench -s -p no:randomly -k frames`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.bench import wrk
from tests.bench.dimse_servers import free_port
from tests.bench.imaging_servers import BATCH, CLIENTS, SECONDS, Archive, alternating, both, rates, report, times
from tests.bench.stow_parts import HEAD, SIDE, Images, huge, many, post
from tests.bench.web_servers import Served, running

pytestmark = pytest.mark.bench

JSON = "application/dicom+json"
AS_STORED = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
OBJECTS = 'multipart/related; type="application/dicom"; transfer-syntax=*'
HTJ2K = "1.2.840.10008.1.2.4.201"
OHIF = (
    "/studies?limit=101&offset=0&fuzzymatching=false"
    "&includefield=00081030%2C00080060%2C00080090%2C00100030%2C00100040%2C00201206%2C00201208"
)
"""What the study list of the viewer asks for."""
SLICES, STUDIES, SERIES = 100, 101, 600


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Archive, Archive]]:
    """The two servers."""
    with both(tmp_path_factory.mktemp("archives")) as found:
        yield found


@pytest.fixture(scope="module")
def ct(archives: tuple[Archive, Archive]) -> Images:
    """A CT of 100 slices of 512 by 512, in both."""
    images = Images()
    for archive in archives:
        archive.store(images, SLICES)
    return images


def slices(images: Images, below: str) -> list[str]:
    """The same below each slice."""
    base = f"/studies/{images.study}/series/{images.series}/instances"
    return [f"{base}/{images.instance(number)}{below}" for number in range(SLICES)]


@pytest.mark.parametrize("connections", [1, 4])
def test_stow(archives: tuple[Archive, Archive], connections: int, tmp_path: Path) -> None:
    """CT images in batches of 50: at least 1.5 times as many a second, as far as a server that parses nothing gets."""

    def batch(served: Served, root: str) -> float:
        studies = [Images() for _ in range(connections)]
        started = time.perf_counter()
        with ThreadPoolExecutor(connections) as clients:
            for images in studies:
                clients.submit(post, served, many(images, range(BATCH)), root)
        return connections * BATCH / (time.perf_counter() - started)

    port, size = free_port(), len(HEAD) + 2 + Images().size
    command = [sys.executable, "-m", "tests.bench.bare_receiver", str(port), str(tmp_path), str(size)]
    with running(command, port, "/", {}) as pid:
        measures = {one.name: partial(batch, one.served, one.root) for one in archives}
        found = alternating({**measures, "bare": partial(batch, Served(port, pid), "")})
    share = found["Healix"] / found["bare"]
    print(f"\nSTOW of {BATCH} CT, {connections} connections: {share:.0%} of a receiver that only writes durably")
    bar = min(1.5, found["bare"] / found["Orthanc"])
    assert report(f"STOW of {BATCH} CT, {connections} connections", found, "/s") >= bar


def test_study_list(archives: tuple[Archive, Archive], tmp_path: Path) -> None:
    """The viewer's list of 101 studies: at least 30 times as fast, alone and with eight clients."""
    for archive in archives:
        for _ in range(STUDIES):
            archive.store(Images(16), 1)
    assert report("list of 101 studies", times(archives, OHIF, JSON), "s", smaller=True) >= 30
    assert report("list of 101 studies, 8 clients", rates(archives, [OHIF], JSON, tmp_path), "/s") >= 30


def test_series_metadata(archives: tuple[Archive, Archive]) -> None:
    """The metadata of 600 instances: at least 20 times as fast, within 15 ms."""
    images = Images(16)
    for archive in archives:
        archive.store(images, SERIES)
    found = times(archives, f"/studies/{images.study}/series/{images.series}/metadata", JSON)
    assert report("metadata of 600 instances", found, "s", smaller=True) >= 20
    assert found["Healix"] <= 0.015


def test_frames(archives: tuple[Archive, Archive], ct: Images, tmp_path: Path) -> None:
    """Single frames, eight clients: 60 % of what a bare server of the files gives, and 4 times as many as Orthanc gives
    where that is less. What is sent from memory tells how much of it are the bytes.
    """
    for number in range(SLICES):
        (tmp_path / f"{number}.raw").write_bytes(ct.file(number)[-SIDE * SIDE * 2 :])
    port = free_port()
    with running([sys.executable, "-m", "tests.bench.bare_files", str(port), str(tmp_path)], port, "/", {}) as pid:

        def bare(below: str) -> float:
            paths = [f"{below}/{number}.raw" for number in range(SLICES)]
            script = wrk.script(tmp_path / "bare.lua", paths)
            return wrk.rate(Served(port, pid), script, seconds=SECONDS, clients=CLIENTS)

        measures = {one.name: partial(one.rate, slices(ct, "/frames/1"), AS_STORED, tmp_path) for one in archives}
        found = alternating({**measures, "bare files": partial(bare, ""), "from memory": partial(bare, "/memory")})
    most = found["bare files"] / found["Orthanc"]
    print(f"\nframes: {found['Healix'] / found['bare files']:.0%} of bare files, which are {most:.2f} times Orthanc's")
    assert report("single frames, 8 clients", found, "/s") >= min(4, 0.6 * most)


def test_a_frame_of_many(archives: tuple[Archive, Archive], ct: Images, tmp_path: Path) -> None:
    """A frame out of an object of 1,000 is as fast as one out of an object of one."""
    ours = archives[0]
    images = Images()
    post(ours.served, huge(images, 1000 * SIDE * SIDE * 2))
    base = f"/studies/{images.study}/series/{images.series}/instances/{images.instance(0)}/frames"
    many_frames = [f"{base}/{number}" for number in range(1, 1001, 10)]
    found = alternating(
        {
            "of 1,000": partial(ours.rate, many_frames, AS_STORED, tmp_path),
            "of one": partial(ours.rate, slices(ct, "/frames/1"), AS_STORED, tmp_path),
        }
    )
    ratio = found["of 1,000"] / found["of one"]
    print(f"\nframes of an object of 1,000 {found['of 1,000']:.0f}/s, of one {found['of one']:.0f}/s: {ratio:.2f}")
    assert ratio >= 0.8


def test_whole_study(archives: tuple[Archive, Archive], ct: Images) -> None:
    """A whole study of 53 MB: at least 0.8 of Orthanc's best."""
    found = times(archives, f"/studies/{ct.study}", OBJECTS)
    assert report("whole study of 53 MB", found, "s", smaller=True) >= 0.8


@pytest.mark.parametrize("what", ["rendered", "thumbnail"])
def test_pictures(archives: tuple[Archive, Archive], ct: Images, tmp_path: Path, what: str) -> None:
    """Rendered slices and thumbnails, eight clients: at least 1.5 times as many."""
    theirs = {"rendered": "/rendered", "thumbnail": "/rendered?viewport=160,160"}[what]
    ours = {"rendered": "/rendered", "thumbnail": "/thumbnail"}[what]
    paths = {one.name: slices(ct, ours if one.name == "Healix" else theirs) for one in archives}
    for one in archives:  # what draws starts with the first picture of each process, and wrk waits two seconds at most
        for path in paths[one.name][: 2 * CLIENTS]:
            one.get(path, "image/jpeg")
    measures = {one.name: partial(one.rate, paths[one.name], "image/jpeg", tmp_path) for one in archives}
    assert report(what, alternating(measures), "/s") >= 1.5


def test_transcoding(archives: tuple[Archive, Archive], ct: Images) -> None:
    """A frame of 512 by 512 as HTJ2K takes at most 15 ms."""
    ours = archives[0]
    accept = f'multipart/related; type="image/jphc"; transfer-syntax={HTJ2K}'
    paths = iter(slices(ct, "/frames/1"))
    found = alternating({"Healix": lambda: ours.seconds(next(paths), accept)}, rounds=20)
    print(f"\na frame of 512 by 512 to HTJ2K: {found['Healix'] * 1000:.1f} ms")
    assert found["Healix"] <= 0.015
