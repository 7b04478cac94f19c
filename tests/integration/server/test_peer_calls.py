"""`healix peer echo`, `find`, `push` and `pull`: what they answer, and how they end when peers fail."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom import Dataset
from typer.testing import CliRunner

from dicomweb.commitment.references import unpack
from dicomweb.dimse import peers
from dicomweb.dimse.requestor import Remote
from healix_fhir.kernel.database import Row
from healix_fhir.server.cli.main import app
from tests.bench.dimse_servers import free_port
from tests.support.dicom import ct, uid
from tests.support.dimse import CT, EXPLICIT
from tests.support.serve import HEALIX, environment, wait_until
from tests.support.storage_peers import UNKNOWN_DESTINATION, having, local, receiving
from tests.support.study import Store, open_store


@dataclass(frozen=True)
class Desk:
    """Where the operator sits: the study store, its folder and its database."""

    store: Store
    data_dir: Path
    url: str

    def knows(self, remote: Remote) -> None:
        """Make a peer known as ARCHIVE."""
        self.store.run(peers.add("ARCHIVE", remote.host, remote.port))

    def run(self, *words: str) -> tuple[int, dict[str, Any], str]:
        """Exit code, answer and what stands on stderr."""
        env = {"HEALIX_DATABASE_URL": self.url}
        done = CliRunner().invoke(app, ["peer", *words, "--data-dir", str(self.data_dir)], env=env)
        return done.exit_code, json.loads(done.stdout or "{}"), done.stderr


@pytest.fixture
def desk(pool: ConnectionPool[Connection[Row]], database_url: str, tmp_path: Path) -> Desk:
    """A store with a study of three images."""
    store = open_store(pool, tmp_path / "data" / "images")
    store.add(*[ct(1, 1, number, size=16) for number in range(1, 4)])
    return Desk(store, tmp_path / "data", database_url)


def test_a_peer_that_answers(desk: Desk) -> None:
    """An echo that is answered is told with how long it took; what is found, by keyword."""
    match = Dataset()
    match.StudyInstanceUID, match.PatientID = uid(9), "47"
    with having([match]) as archive:
        desk.knows(archive.remote)
        code, told, _ = desk.run("echo", "ARCHIVE")
        assert (code, told["peer"], told["answers"]) == (0, "ARCHIVE", True)
        code, told, _ = desk.run("find", "ARCHIVE", "PatientID=47")
    assert (code, told["matches"]) == (0, [{"PatientID": "47", "StudyInstanceUID": uid(9)}])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("echo", "NOBODY"), "there is no peer NOBODY"),
        (("find", "NOBODY"), "there is no peer NOBODY"),
        (("push", "NOBODY", "--study", uid(1)), "there is no peer NOBODY"),
        (("pull", "NOBODY", "--study", uid(1)), "there is no peer NOBODY"),
        (("echo", "ARCHIVE"), "cannot be reached"),
        (("find", "ARCHIVE"), "cannot be reached"),
        (("find", "ARCHIVE", "Colour=red"), "no keyword"),
        (("find", "ARCHIVE", "--level", "frame"), "the level is one of"),
        (("push", "ARCHIVE", "--study", uid(77)), "there is no such study"),
        (("push", "ARCHIVE", "--study", "1.2.*"), "StudyInstanceUID is not a valid UID"),
        (("push", "ARCHIVE", "--study", uid(1), "--instance", uid(1, 1, 1)), "--instance needs --series"),
    ],
)
def test_what_cannot_be_done(desk: Desk, words: tuple[str, ...], said: str) -> None:
    """The command fails with one line that says why, and nothing is asked for."""
    desk.knows(local(free_port()))
    code, told, stderr = desk.run(*words)
    assert (code, told) == (1, {})
    assert said in stderr
    assert desk.store.sql("SELECT count(*) FROM errand") == [(0,)]


def test_a_push_is_done_and_told(desk: Desk) -> None:
    """What was sent, warned of and refused is counted; anything that was not sent makes the command fail."""
    answers = {1: 0, 2: 0xB000, 3: 0xC001}
    with receiving([(CT, [EXPLICIT])], lambda ds: answers[int(ds.InstanceNumber)]) as peer:
        desk.knows(peer.remote)
        code, told, _ = desk.run("push", "ARCHIVE", "--study", uid(1))
    assert code == 1
    assert (told["state"], told["sent"], told["warnings"], told["failed"]) == ("done", 2, 1, 1)
    assert "C001H" in told["reason"]


def test_a_push_with_commit_leaves_a_request_to_the_server(desk: Desk) -> None:
    """With `--commit` the running server has to ask for what the peer took; without, it has nothing to ask."""
    with receiving([(CT, [EXPLICIT])], lambda ds: 0xC001 if ds.InstanceNumber == 3 else 0) as peer:
        desk.knows(peer.remote)
        desk.run("push", "ARCHIVE", "--study", uid(1))
        assert desk.store.sql("SELECT about FROM errand WHERE kind = 'commit'") == []
        desk.run("push", "ARCHIVE", "--study", uid(1), "--commit")
    assert desk.store.sql("SELECT about, ended FROM errand WHERE kind = 'commit'") == [(uid(1), None)]
    ((packed,),) = desk.store.sql("SELECT list FROM commitment_sought")
    assert [one.sop_instance for one in unpack(packed)] == [uid(1, 1, 1), uid(1, 1, 2)]


@pytest.mark.parametrize("what", ["push", "pull"])
def test_a_peer_that_is_away_is_left_to_the_server(desk: Desk, what: str) -> None:
    """When the peer is away the command fails, and the errand waits to be tried again."""
    desk.knows(local(free_port()))
    code, told, _ = desk.run(what, "ARCHIVE", "--study", uid(1))
    assert (code, told["state"]) == (1, "waiting")
    assert "cannot be reached" in told["reason"]
    assert desk.store.sql("SELECT kind, ended, attempts FROM errand") == [(what, None, 1)]


@pytest.mark.parametrize("what", ["push", "pull"])
def test_later(desk: Desk, what: str) -> None:
    """With `--later` the command only asks, and succeeds, whether the peer is there or not."""
    desk.knows(local(free_port()))
    code, told, _ = desk.run(what, "ARCHIVE", "--study", uid(1), "--later")
    assert (code, told["state"], told["reason"]) == (0, "waiting", None)
    assert desk.store.sql("SELECT kind, ended, attempts FROM errand") == [(what, None, 0)]


def test_a_pull_that_the_peer_refuses(desk: Desk) -> None:
    """A peer that does not know this server is told with its status."""
    with having([], refuse=UNKNOWN_DESTINATION) as archive:
        desk.knows(archive.remote)
        code, told, _ = desk.run("pull", "ARCHIVE", "--study", uid(1))
    assert (code, told["state"]) == (1, "waiting")
    assert "A801H" in told["reason"]


def slowly(_: Dataset) -> int:
    """Store as a slow peer does."""
    time.sleep(0.1)
    return 0


def test_an_interrupt_cancels(desk: Desk) -> None:
    """Ctrl-C ends a push between two images: the association is released, the errand cancelled, the rest told."""
    desk.store.add(*[ct(2, 1, number, size=16) for number in range(1, 101)])
    words = [*HEALIX, "peer", "push", "ARCHIVE", "--study", uid(2), "--data-dir", str(desk.data_dir)]
    with receiving([(CT, [EXPLICIT])], slowly) as peer:
        desk.knows(peer.remote)
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(database_url=desk.url)
        )
        wait_until(lambda: len(peer.kept) > 2, "some images")
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=30)
        wait_until(lambda: peer.ended, "the release")
    told = json.loads(stdout)
    assert (process.returncode, told["state"], told["reason"]) == (1, "cancelled", "cancelled")
    assert told["sent"] == len(peer.kept) < 100
    assert peer.ended == ["released"]
