"""$import from its kick-off request to resources that are found.

Spec: SMART on FHIR, bulk-import (2020 draft), import.md
"""

from __future__ import annotations

import errno
import gzip
import http.client
import json
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from healix_fhir.bulk import pulse
from healix_fhir.bulk.job import Standing
from healix_fhir.bulk.store import LocalStore
from healix_fhir.bulk.sweep import sweep
from healix_fhir.kernel.database import open_pool
from healix_fhir.server.importing import bulk
from healix_fhir.server.importing.fetch import fetch
from healix_fhir.server.importing.lanes import Lanes
from healix_fhir.server.importing.report import Place
from healix_fhir.server.importing.sources import LOOK
from smart_auth.denial import REFUSED
from tests.support.bulk import ASYNC, FHIR, work
from tests.support.files_server import Files, files_server
from tests.support.live_server import LiveServer, live_server
from tests.support.serve import HEALIX, environment, wait_until
from tests.support.ward import observation

NDJSON = {"Content-Type": "application/fhir+ndjson"}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that may fetch from this machine, with nothing in it."""
    with live_server(module_database_url, tmp_path_factory.mktemp("import"), bulk_allow_private=True) as running:
        yield running


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A service that may change everything."""
    with server.client("system/*.cruds", client="loader") as opened:
        yield opened


@pytest.fixture
def files() -> Iterator[Files]:
    """Another server's files."""
    with files_server() as running:
        yield running


def lines(*resources: Json) -> bytes:
    """Resources as NDJSON."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in resources)


def asked(*inputs: tuple[str, str], **texts: str) -> Json:
    """The Parameters of an import."""
    types = {"mode": "valueCode", "inputSource": "valueUri", "inputFormat": "valueString"}
    parts: list[Json] = [{"name": name, types[name]: value} for name, value in texts.items()]
    for type_, url in inputs:
        parts.append(
            {"name": "input", "part": [{"name": "type", "valueCode": type_}, {"name": "url", "valueUrl": url}]}
        )
    return {"resourceType": "Parameters", "parameter": parts}


def kicked(client: httpx.Client, body: Json) -> httpx.Response:
    """The answer to a kick-off request."""
    return client.post("/fhir/$import", content=json.dumps(body), headers=ASYNC | FHIR)


def begun(client: httpx.Client, *inputs: tuple[str, str], **texts: str) -> str:
    """The path of the job that an import begins."""
    answer = kicked(client, asked(*inputs, **texts))
    assert answer.status_code == 202, answer.text
    return str(httpx.URL(answer.headers["content-location"]).path)


def uploaded(client: httpx.Client, content: bytes, **headers: str) -> str:
    """The address of an upload."""
    answer = client.post("/bulk/uploads", content=content, headers=NDJSON | headers)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def imported(server: LiveServer, client: httpx.Client, *inputs: tuple[str, str], **texts: str) -> Json:
    """The manifest of an import from its kick-off to its end."""
    job = begun(client, *inputs, **texts)
    work(server)
    answer = client.get(job)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def counts(manifest: Json) -> list[int]:
    """How many lines of each file were stored."""
    return [one["count"] for one in manifest["output"]]


def messages(client: httpx.Client, manifest: Json) -> list[str]:
    """What is said of the lines that were not."""
    found = []
    for item in manifest["error"]:
        outcomes = [json.loads(line) for line in client.get(item["url"]).content.splitlines()]
        assert len(outcomes) == item["count"]
        found += [one["issue"][0]["diagnostics"] for one in outcomes]
    return found


def test_from_addresses(server: LiveServer, client: httpx.Client, files: Files) -> None:
    """What other servers have becomes resources under their ids, which are found when the job says it is done."""
    files.bodies = {
        "/p": lines(*({"resourceType": "Patient", "id": f"far-{n}"} for n in range(3))),
        "/o?sig=1": gzip.compress(lines(observation("far-pulse", "far-1", "8867-4"))),
    }
    manifest = imported(
        server, client, ("Patient", f"{files.url}/p"), ("Observation", f"{files.url}/o?sig=1"),
        inputSource="https://far.example.org",
    )  # fmt: skip
    assert manifest["request"] == f"{server.url}/fhir/$import"
    assert [(one["type"], one["inputUrl"], one["count"]) for one in manifest["output"]] == [
        ("Patient", f"{files.url}/p", 3),
        ("Observation", f"{files.url}/o?sig=1", 1),
    ]
    assert manifest["error"] == []
    assert client.get("/fhir/Observation?patient=far-1&code=8867-4&_summary=count").json()["total"] == 1
    assert client.get("/fhir/Patient/far-0").json()["meta"]["source"] == "https://far.example.org"


def test_from_uploads(server: LiveServer, client: httpx.Client) -> None:
    """What was uploaded, also in gzip, becomes resources; an upload is its client's, and nobody downloads it."""
    plain = uploaded(client, lines({"resourceType": "Patient", "id": "up-1"}))
    packed = uploaded(
        client, gzip.compress(lines({"resourceType": "Patient", "id": "up-2"})), **{"Content-Encoding": "gzip"}
    )
    assert client.get(plain).json()["size"] > 0
    assert client.get(f"{plain}/upload").status_code == 404
    with server.client("system/*.cruds", client="other") as other:
        assert kicked(other, asked(("Patient", plain))).status_code == 404
    assert counts(imported(server, client, ("Patient", plain), ("Patient", packed))) == [1, 1]
    assert client.get("/fhir/Patient?_id=up-1,up-2&_summary=count").json()["total"] == 2
    assert client.delete(plain).status_code == 202
    assert kicked(client, asked(("Patient", plain))).status_code == 404


def test_lines_that_are_refused(server: LiveServer, client: httpx.Client) -> None:
    """Each line that is not stored has an OperationOutcome with its number; all others are stored."""
    content = b"\n".join(
        [
            lines({"resourceType": "Patient", "id": "good-1"}).strip(),
            b"{no json",
            b"",
            lines({"resourceType": "Patient"}).strip(),
            lines({"resourceType": "Observation", "id": "x"}).strip(),
            lines({"resourceType": "Patient", "id": "bad", "gender": "unheard"}).strip(),
            b"x" * 10,
            lines({"resourceType": "Patient", "id": "good-2"}).strip(),
        ]
    )
    manifest = imported(server, client, ("Patient", uploaded(client, content)))
    assert counts(manifest) == [2]
    told = messages(client, manifest)
    assert sorted(one.partition(":")[0] for one in told) == ["line 2", "line 4", "line 5", "line 6", "line 7"]
    assert any("Observation, and not a Patient" in one for one in told)


def test_modes(server: LiveServer, client: httpx.Client) -> None:
    """Incremental imports change what is there; initial ones refuse to, and take again what is the same."""
    first, second = ({"resourceType": "Patient", "id": "mode", "gender": one} for one in ("male", "female"))
    assert counts(imported(server, client, ("Patient", uploaded(client, lines(first))), mode="initial")) == [1]
    same = imported(server, client, ("Patient", uploaded(client, lines(first))), mode="initial")
    assert (counts(same), same["error"]) == ([1], [])
    other = imported(server, client, ("Patient", uploaded(client, lines(second))), mode="initial")
    assert counts(other) == [0]
    assert messages(client, other) == ["line 1: Patient/mode exists already, with other content"]
    assert counts(imported(server, client, ("Patient", uploaded(client, lines(second))))) == [1]
    read = client.get("/fhir/Patient/mode").json()
    assert (read["gender"], read["meta"]["versionId"]) == ("female", "2")


def test_of_nothing(server: LiveServer, client: httpx.Client) -> None:
    """An empty file brings nothing, and no error."""
    manifest = imported(server, client, ("Patient", uploaded(client, b"")))
    assert (counts(manifest), manifest["error"]) == ([0], [])


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (asked(mode="initial"), 400, "input"),
        (asked(("Nothing", "https://a.example.org/x")), 400, "'Nothing'"),
        (asked(("AuditEvent", "https://a.example.org/x")), 400, "AuditEvent"),
        (asked(("Patient", "ftp://a.example.org/x")), 400, "https"),
        (asked(("Patient", "https://u:p@a.example.org/x")), 400, "user information"),
        (asked(("Patient", "https://a.example.org/x"), mode="sideways"), 400, "mode"),
        (asked(("Patient", "https://a.example.org/x"), inputFormat="text/csv"), 400, "inputFormat"),
        (asked(*[("Patient", "https://a.example.org/x")] * 1001), 400, "1000"),
        ({"resourceType": "Patient"}, 400, "Parameters"),
    ],
)
def test_refused(client: httpx.Client, body: Json, status: int, named: str) -> None:
    """What cannot be imported is refused by name when it is asked for."""
    answer = kicked(client, body)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert named in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("scope", "patient", "status"),
    [
        ("system/*.rs", None, 403),
        ("system/Observation.cud", None, 403),
        ("patient/*.cruds", "up-1", 403),
        ("system/Patient.u", None, 202),
    ],
)
def test_scopes(server: LiveServer, scope: str, patient: str | None, status: int) -> None:
    """An import takes a system scope that changes resources of each of its types."""
    with server.client(scope, client="narrow", patient=patient) as client:
        answer = kicked(client, asked(("Patient", "https://a.example.org/x")))
        assert answer.status_code == status
        if status == 202:
            client.delete(httpx.URL(answer.headers["content-location"]).path)


def test_in_the_name_of_the_client(server: LiveServer, client: httpx.Client) -> None:
    """An import is on record under its client: what it stores, and ids that a scope with a query does not let in."""
    imported(server, client, ("Patient", uploaded(client, lines({"resourceType": "Patient", "id": "recorded"}))))
    with psycopg.connect(server.settings.database_url) as connection:
        rows = connection.execute(
            "SELECT client, subtype FROM audit_event WHERE entity = 'Patient/recorded' AND action = 'C'"
        ).fetchall()
    assert rows == [("loader", "update")]
    with server.client("system/Patient.cruds?gender=male", client="loader") as narrow:
        upload = uploaded(narrow, lines({"resourceType": "Patient", "id": "foreign", "gender": "female"}))
        manifest = imported(server, narrow, ("Patient", upload))
        assert counts(manifest) == [0]
        assert "does not allow" in messages(narrow, manifest)[0]
    with psycopg.connect(server.settings.database_url) as connection:
        rows = connection.execute(
            "SELECT client, action, subtype, outcome FROM audit_event WHERE entity = 'Patient/foreign'"
        ).fetchall()
    assert rows == [("loader", "U", "update", REFUSED)]


@pytest.mark.parametrize(("path", "named"), [("/missing", "404"), ("/moved", "302")], ids=["missing", "redirected"])
def test_addresses_without_a_file(
    server: LiveServer, client: httpx.Client, files: Files, path: str, named: str
) -> None:
    """An address that does not give the file ends the import before anything is stored; redirects are not followed."""
    files.bodies = {"/first": lines({"resourceType": "Patient", "id": "never"}), "/elsewhere": b""}
    files.redirected = {"/moved": f"{files.url}/elsewhere"}
    job = begun(client, ("Patient", f"{files.url}/first"), ("Patient", f"{files.url}{path}"))
    work(server)
    answer = client.get(job)
    assert answer.status_code == 422
    assert named in answer.json()["issue"][0]["diagnostics"]
    assert client.get("/fhir/Patient/never").status_code == 404
    assert "/elsewhere" not in files.asked


def test_private_addresses(database_url: str, tmp_path: Any, files: Files) -> None:
    """Unless the operator allows it, nothing is fetched from this machine or its network."""
    with live_server(database_url, tmp_path) as server, server.client("system/*.cruds", client="loader") as client:
        for url in (f"{files.url}/p", "https://127.0.0.1/p", "https://[::1]/p", "https://10.0.0.1/p"):
            assert kicked(client, asked(("Patient", url))).status_code == 400
        job = begun(client, ("Patient", "https://localhost/p"))
        work(server)
        assert client.get(job).status_code == 400
    assert files.asked == []


def test_a_file_that_is_cut_off(server: LiveServer, client: httpx.Client, files: Files) -> None:
    """A file that does not come whole is fetched again; nothing of it is stored before."""
    files.bodies = {"/p": lines(*({"resourceType": "Patient", "id": f"cut-{n}"} for n in range(50)))}
    files.cut = {"/p"}
    job = begun(client, ("Patient", f"{files.url}/p"))
    with pytest.raises(Exception, match="cut off"):
        work(server)
    assert client.get("/fhir/Patient?_id=cut-0&_summary=count").json()["total"] == 0
    files.cut = set()
    work(server)
    assert counts(client.get(job).json()) == [50]


class Full:
    """A file on a disk without room."""

    def write(self, data: bytes, /) -> None:
        """Fail as the disk does."""
        raise OSError(errno.ENOSPC, f"no room for {len(data)} bytes")


def test_no_room_for_a_file(files: Files) -> None:
    """A disk that is full while a file is fetched is not taken for a failure of the server that it comes from."""
    files.bodies = {"/p": lines({"resourceType": "Patient", "id": "room"})}
    with pytest.raises(OSError, match="no room"):
        fetch(f"{files.url}/p", Full(), most=1 << 20, allow_private=True, check=lambda: None)


def test_half_an_upload(server: LiveServer, client: httpx.Client) -> None:
    """An upload that is cut off leaves nothing that an import could name."""
    store = server.settings.data_dir / "bulk"
    before = {path for path in store.rglob("*") if path.is_file()}
    connection = http.client.HTTPConnection(*server.address)
    connection.putrequest("POST", "/bulk/uploads")
    for name, value in {"Content-Length": "100000", **NDJSON, **client.headers}.items():
        if name.lower() in ("content-length", "content-type", "authorization"):
            connection.putheader(name, value)
    connection.endheaders(b"{" * 1000)
    connection.close()
    wait_until(lambda: {path for path in store.rglob("*") if path.is_file()} == before, "the half upload to go")
    with psycopg.connect(server.settings.database_url) as look:
        assert look.execute("SELECT count(*) FROM bulk_job WHERE kind = 'upload' AND asked <> '{}'").fetchone() == (0,)


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Content-Type": "text/csv"}, 415), (NDJSON | {"Content-Encoding": "br"}, 415), ({"Authorization": "x"}, 401)],
)
def test_uploads_that_are_refused(client: httpx.Client, headers: dict[str, str], status: int) -> None:
    """An upload is NDJSON, with a token."""
    assert client.post("/bulk/uploads", content=b"{}", headers=headers).status_code == status


def test_uploads_take_a_scope(server: LiveServer) -> None:
    """Who may import nothing uploads nothing."""
    for scope, patient in (("system/*.rs", None), ("patient/*.cruds", "up-1")):
        with server.client(scope, client="narrow", patient=patient) as client:
            assert client.post("/bulk/uploads", content=b"{}", headers=NDJSON).status_code == 403


def test_a_killed_worker(server: LiveServer, client: httpx.Client) -> None:
    """An import whose worker was killed goes on from its last place; every line is stored once, and counted once."""
    content = lines(*({"resourceType": "Patient", "id": f"many-{n}"} for n in range(1500)), {"resourceType": "Patient"})
    job = begun(client, ("Patient", uploaded(client, content)))
    program = (
        "import sys, time; from healix_fhir.server.importing import bulk; from healix_fhir.kernel.settings import load;"
        "from healix_fhir.server.tasks import tasks; real = bulk._Files._at; bulk.STEP = 500;"
        "bulk._Files._at = lambda self, *a: (real(self, *a), a[1] == 1000 and time.sleep(60));"
        "tasks(load({'data_dir': sys.argv[1], 'base_url': sys.argv[2]}))['bulk.import'](job=sys.argv[3])"
    )
    id_ = job.rpartition("/")[2]
    arguments = [
        "-c",
        f"if __name__ == '__main__':\n exec({program!r})",
        str(server.settings.data_dir),
        server.url,
        id_,
    ]
    worker = subprocess.Popen([HEALIX[0], *arguments], env=environment(database_url=server.settings.database_url))
    with psycopg.connect(server.settings.database_url, autocommit=True) as look:
        try:
            place = "SELECT convert_from(place, 'utf8')::json ->> 'line' FROM bulk_job WHERE id = %s"
            wait_until(lambda: look.execute(place, (id_,)).fetchone() == ("1000",), "the second place")
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        taken: list[int] = []
        real = Lanes.take

        def take(self: Lanes, key: str, place: Place, body: bytes) -> None:
            taken.append(place.line)
            real(self, key, place, body)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Lanes, "take", take)
            work(server)
        assert taken == list(range(1001, 1502))
        manifest = client.get(job).json()
        assert (counts(manifest), len(messages(client, manifest))) == ([1500], 1)
        stored = look.execute("SELECT count(*), max(version) FROM resource WHERE id LIKE 'many-%'").fetchone()
    assert stored == (1500, 1)


def test_refusals_of_the_start_that_followed(
    server: LiveServer, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that was thought dead removes nothing of the one that followed it."""
    job = begun(client, ("Patient", uploaded(client, lines({"resourceType": "Patient"}))))
    real = bulk._Files.write

    def late(self: Any, note: Any) -> None:
        monkeypatch.setattr(bulk._Files, "write", real)
        work(server)
        real(self, note)

    monkeypatch.setattr(bulk._Files, "write", late)
    work(server)
    (told,) = messages(client, client.get(job).json())
    assert told.startswith("line 1: ")


def test_blank_lines_are_called_off(server: LiveServer, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import of which no line is stored stops when it is called off, and does not read to the end."""
    monkeypatch.setattr(pulse, "EVERY", 0.01)
    job = begun(client, ("Patient", uploaded(client, b"\n" * 2 * LOOK)))
    real, ends = bulk._Files.write, []

    def late(self: Any, note: Any) -> None:
        assert client.delete(job).status_code == 202
        wait_until(lambda: self._pulse._standing is Standing.OVER, "the pulse")
        real(self, note)

    monkeypatch.setattr(bulk._Files, "write", late)
    monkeypatch.setattr(bulk._Files, "_at", lambda *arguments: ends.append(arguments))
    work(server)
    assert ends == []


def test_many_refusals(server: LiveServer, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of refused lines the first are told one by one, then their number for each file."""
    monkeypatch.setattr(bulk, "LISTED", 3)
    first, second = (uploaded(client, lines(*[observation("x", "y", "1")] * count)) for count in (2, 5))
    manifest = imported(server, client, ("Patient", first), ("Patient", second))
    told = messages(client, manifest)
    assert [one.partition(":")[0] for one in told] == ["line 1", "line 2", "line 1", "4 further lines were refused"]


def test_an_upload_expires_under_its_import(server: LiveServer, client: httpx.Client) -> None:
    """The sweep leaves an upload that an import under way names, and takes it when that has ended."""
    upload = uploaded(client, lines({"resourceType": "Patient", "id": "expiring"}))
    id_ = upload.rpartition("/")[2]
    directory = server.settings.data_dir / "bulk" / id_
    job = begun(client, ("Patient", upload))
    with psycopg.connect(server.settings.database_url, autocommit=True) as look:
        look.execute("UPDATE bulk_job SET expires = now() WHERE id = %s", (id_,))
    with open_pool(server.settings.database_url, size=1) as pool:
        sweep(pool, LocalStore(server.settings.data_dir / "bulk"))
        assert directory.exists()
        work(server)
        assert counts(client.get(job).json()) == [1]
        sweep(pool, LocalStore(server.settings.data_dir / "bulk"))
    assert not directory.exists()
