"""What cannot work ends `healix serve`, with one line that says why, instead of being tried for ever; what dies is
started again.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from healix_fhir.server.processes import ATTEMPTS
from tests.support.serve import PATIENCE, ready, refused, serving, wait_until


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        (
            "blob_url",
            "nonsense://bucket",
            "HEALIX_BLOB_URL is not the URL of an object store, such as s3://bucket/prefix",
        ),
        ("workers", "0", "HEALIX_WORKERS must be at least 1, not 0"),
        ("dimse_port", "70000", "HEALIX_DIMSE_PORT must be a port, 1 to 65535, not 70000"),
        ("dimse_unknown_callers", "everyone", "HEALIX_DIMSE_UNKNOWN_CALLERS must be one of refuse, store, all"),
    ],
)
def test_misread_setting(tmp_path: Path, name: str, value: str, reason: str) -> None:
    """A setting that cannot work is told in one line before the database is made."""
    code, _, errors = refused("serve", tmp_path / "data", **{name: value})
    assert (code, errors) == (1, f"healix: {reason}\n")
    assert not (tmp_path / "data" / "postgres").exists()


def test_taken_dimse_port(tmp_path: Path) -> None:
    """A DIMSE port that is taken is told in one line before the database is made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, errors = refused("serve", tmp_path / "data", "--dimse-port", str(port))
    assert (code, errors) == (1, f"healix: cannot listen on 127.0.0.1:{port}: Address already in use\n")
    assert not (tmp_path / "data" / "postgres").exists()


def test_child_that_dies_again_and_again(set_up: Callable[[str], Path]) -> None:
    """A part that dies right after each start ends the whole server, exit code 1, with one line about it."""
    with serving(set_up("dying"), "--workers", "1") as server:
        (dimse,) = server.children("dimse")
        others = [child for child in server.children() if child.pid != dimse.pid]
        dimse.kill()
        with _taken(server.dimse_port):
            assert server.process.wait(60) == 1
        last = server.log.read_text().splitlines()[-1]
        assert last == f"healix: dimse ended {ATTEMPTS} times right after its start, with code 1; its log says why"
        assert not any(child.is_running() for child in others)


def _taken(port: int) -> socket.socket:
    """Listen on a port as soon as it is free."""
    found: list[socket.socket] = []

    def take() -> bool:
        try:
            found.append(socket.create_server(("127.0.0.1", port)))
        except OSError:
            return False
        return True

    wait_until(take, "the port to be free")
    return found[0]


AS_ON_MACOS = """
from multiprocessing import get_context
from healix_fhir.server import forks
forks.context = get_context("spawn")
from healix_fhir.server.cli.main import main
main()
"""


def test_parts_that_are_interpreters_of_their_own(set_up: Callable[[str], Path]) -> None:
    """Where nothing is forked all parts serve as well, one that was killed is started again, and they end with who
    started them, however that ends.
    """
    with serving(set_up("spawned"), "--workers", "1", program=(sys.executable, "-c", AS_ON_MACOS)) as server:
        roles = ("web", "dimse", "worker")
        assert [len(server.children(role)) for role in roles] == [1, 1, 1]
        server.children("web")[0].kill()
        wait_until(lambda: len(server.children()) == len(roles) and ready(server.port), "another web worker")
        parts, database = server.children(), server.postmaster()
        server.process.kill()
        wait_until(lambda: not any(one.is_running() for one in parts), "the parts to end")
        database.terminate()
        database.wait(PATIENCE)
