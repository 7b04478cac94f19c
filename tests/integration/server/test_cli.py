"""The operator's commands, beside a server that runs on the same data directory."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from healix_fhir.server.migrate import head
from tests.support.dicom import ct, uid
from tests.support.packages import archive
from tests.support.profiles import profile
from tests.support.serve import Served, healix
from tests.support.tools import require_tool

PATIENTS = [{"resourceType": "Patient", "id": f"cli-{number}", "gender": "female"} for number in range(3)]
BUNDLE = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {
            "fullUrl": "urn:uuid:7e9a6d3c-50a5-4e1e-9a3d-0d1f5a3f7c11",
            "resource": {"resourceType": "Patient", "active": True},
            "request": {"method": "POST", "url": "Patient"},
        },
        {
            "resource": {
                "resourceType": "Observation",
                "status": "final",
                "code": {"coding": [{"system": "urn:tests", "code": "cli-pulse"}]},
                "subject": {"reference": "urn:uuid:7e9a6d3c-50a5-4e1e-9a3d-0d1f5a3f7c11"},
            },
            "request": {"method": "POST", "url": "Observation"},
        },
    ],
}


STRICT = {"Prefer": "handling=strict"}


def command(server: Served, *arguments: str, stdin: str = "", exits: int = 0) -> dict[str, Any]:
    """The JSON object that a command answers on stdout."""
    done = healix(server.data_dir, *arguments, stdin=stdin)
    assert done.returncode == exits, done.stderr
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def test_token_opens_its_scope(served: Served) -> None:
    """`healix token create` makes a token that opens its scopes and no more, at once, on the running server."""
    made = command(served, "token", "create", "--scope", "system/Patient.rs", "--ttl", "60")
    assert (made["token_type"], made["expires_in"], made["scope"]) == ("Bearer", 60, "system/Patient.rs")
    with served.client(made["access_token"]) as client:
        assert client.get("/fhir/Patient/demo-jonas").status_code == 200
        assert client.get("/fhir/Observation").status_code == 403


def test_patient_token(served: Served) -> None:
    """A token for one patient's record names that patient and opens that record only."""
    made = command(served, "token", "create", "--scope", "patient/*.rs", "--patient", "demo-jonas")
    assert made["patient"] == "demo-jonas"
    with served.client(made["access_token"]) as client:
        found = client.get("/fhir/Patient").json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == ["demo-jonas"]


def test_user(served: Served) -> None:
    """`healix user create` takes the password from stdin, answers without it, and the account's tokens work."""
    link = ("--fhir-user", "Patient/demo-jonas")
    made = command(
        served, "user", "create", "jonas", "--role", "patient", *link, "--password-stdin", stdin="long enough 1\n"
    )
    assert made == {"username": "jonas", "role": "patient", "fhir_user": "Patient/demo-jonas"}
    token = command(served, "token", "create", "--scope", "patient/*.rs", "--user", "jonas")["access_token"]
    with served.client(token) as client:
        assert client.get("/fhir/Patient/demo-jonas").status_code == 200


def test_invitation(served: Served) -> None:
    """`healix user invite` gives a code in groups of four, how long it is good, and where to enter it."""
    made = command(served, "user", "invite", "--fhir-user", "Patient/demo-ines")
    assert re.fullmatch("([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}", made["invitation"])
    assert made["expires_in"] == 14 * 86400
    assert made["address"].endswith("/account/register")


def test_weak_password(served: Served) -> None:
    """`healix user create` refuses a password that is guessed first, and makes no account."""
    for _ in range(2):
        arguments = ("user", "create", "weak", "--role", "admin", "--password-stdin")
        done = healix(served.data_dir, *arguments, stdin="password1234\n")
        assert (done.returncode, done.stdout) == (1, "")
        assert "among the first that are guessed" in done.stderr


def test_peer(served: Served) -> None:
    """`healix peer` makes an AE title known to the running SCP, with what it is bound to, and forgets it again."""
    made = command(served, "peer", "add", "CT_ROOM_1", "--host", "127.0.0.1", "--port", "11113")
    rights = ["echo", "store", "find", "get", "move", "worklist", "mpps", "commit", "ups"]
    told = {"aet": "CT_ROOM_1", "host": "127.0.0.1", "port": 11113, "rights": rights}
    assert made == told | {"from": [], "tls": False, "associations": None}
    echo = [require_tool("echoscu"), "-aet", "CT_ROOM_1", "-aec", "HEALIX", "127.0.0.1", str(served.dimse_port)]
    assert subprocess.run(echo, capture_output=True, check=False).returncode == 0
    bound = ("--rights", "store,echo", "--from", "192.0.2.0/24", "--from", "2001:db8::1", "--associations", "2")
    command(served, "peer", "add", "CT_ROOM_1", "--host", "127.0.0.1", "--port", "11113", "--tls", *bound)
    (listed,) = [peer for peer in command(served, "peer", "list")["peers"] if peer["aet"] == "CT_ROOM_1"]
    limits = {"from": ["192.0.2.0/24", "2001:db8::1/128"], "tls": True, "associations": 2}
    assert listed == told | limits | {"rights": ["echo", "store"]}
    assert subprocess.run(echo, capture_output=True, check=False).returncode != 0
    assert command(served, "peer", "remove", "CT_ROOM_1") == {"removed": "CT_ROOM_1"}


def test_package(served: Served, tmp_path: Path) -> None:
    """`healix package install` makes a package's profiles known to the running server; again it changes nothing."""
    body = profile("Patient", {"id": "Patient.photo", "min": 1}, version="1.0.0")
    path = str(archive(tmp_path / "guide.tgz", ("package/a.json", body)))
    made = command(served, "package", "install", path)
    assert made == {
        "name": "example.guide",
        "version": "1.0.0",
        "outcome": "installed",
        "definitions": {"StructureDefinition": 1},
        "resources": 0,
        "refused": {},
        "other_files": 0,
        "dependencies": [],
    }
    assert command(served, "package", "install", path)["outcome"] == "unchanged"
    (listed,) = command(served, "package", "list")["packages"]
    assert (listed["name"], listed["version"], listed["definitions"]) == ("example.guide", "1.0.0", 1)
    token = command(served, "token", "create", "--scope", "system/Patient.cr")["access_token"]
    with served.client(token) as client:
        url = "/fhir/Patient/demo-jonas/$validate"
        outcome = client.get(url, params={"profile": body["url"]}).json()
        (missing,) = [issue for issue in outcome["issue"] if issue["severity"] == "error"]
        assert missing["expression"] == ["Patient.photo"]


GUIDE = {
    "resourceType": "ImplementationGuide",
    "id": "guide",
    "url": "http://example.org/guide",
    "version": "3.0.0",
    "name": "Guide",
    "status": "active",
    "packageId": "example.guide",
    "fhirVersion": ["4.0.1"],
}
"""What a package says of itself."""


def _parameter(code: str, expression: str) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "id": f"guide-{code}",
        "url": f"http://example.org/guide/SearchParameter/{code}",
        "name": code,
        "status": "active",
        "description": "For a test.",
        "code": code,
        "base": ["Patient"],
        "type": "token",
        "expression": expression,
    }


@pytest.mark.spec("FHIR R4 capabilitystatement-definitions.html#CapabilityStatement.implementationGuide")
def test_guide(served: Served, tmp_path: Path) -> None:
    """A published guide is named by the running server, its definitions are read, its parameters searched by, its
    examples there; removed, it is no longer named.
    """
    body = profile("Patient", {"id": "Patient.photo", "min": 1}, name="guided", version="3.0.0") | {"id": "guided"}
    files = [GUIDE, body, _parameter("marital", "Patient.maritalStatus"), _parameter("active", "Patient.active")]
    married = {"coding": [{"system": "urn:guide", "code": "M"}]}
    shown = ("package/example/a.json", {"resourceType": "Patient", "id": "guide-ada", "maritalStatus": married})
    wrong = ("package/example/b.json", {"resourceType": "Patient", "id": "guide-bob", "gender": "x"})
    inside = [(f"package/{number}.json", each) for number, each in enumerate(files)]
    manifest = {"name": "other.guide", "version": "3.0.0", "fhirVersions": ["4.0.1"]}
    path = str(archive(tmp_path / "guide.tgz", *inside, shown, wrong, manifest=manifest))
    made = command(served, "package", "install", path, "--publish", "--examples", exits=1)
    assert (made["resources"], list(made["refused"])) == (5, ["b.json"])
    token = command(served, "token", "create", "--scope", "system/*.cruds")["access_token"]
    with served.client(token) as client:
        statement = client.get("/fhir/metadata").json()
        assert statement["implementationGuide"] == ["http://example.org/guide|3.0.0"]
        (patient,) = [one for one in statement["rest"][0]["resource"] if one["type"] == "Patient"]
        assert body["url"] in patient["supportedProfile"]
        read = client.get("/fhir/StructureDefinition", params={"url": body["url"]}).json()
        assert [entry["resource"]["id"] for entry in read["entry"]] == ["guided"]
        query = {"marital": "urn:guide|M", "_elements": "id"}
        deadline = time.monotonic() + 60
        while (found := client.get("/fhir/Patient", params=query, headers=STRICT)).status_code != 200:
            assert time.monotonic() < deadline, found.text
            time.sleep(0.2)
        assert [entry["resource"]["id"] for entry in found.json()["entry"]] == ["guide-ada"]
        command(served, "package", "remove", "other.guide", "3.0.0")
        deadline = time.monotonic() + 60
        while "implementationGuide" in client.get("/fhir/metadata").json():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        sent = '{"resourceType": "Patient",\n "gender": "odd"}'
        headers = {"Content-Type": "application/fhir+json"}
        (issue, *_) = client.post("/fhir/Patient/$validate", content=sent, headers=headers).json()["issue"]
        assert [extension["valueInteger"] for extension in issue["extension"]] == [2, 2]
        xml = '<Patient xmlns="http://hl7.org/fhir"><gender value="odd"/></Patient>'
        headers = {"Content-Type": "application/fhir+xml"}
        (issue, *_) = client.post("/fhir/Patient/$validate", content=xml, headers=headers).json()["issue"]
        assert issue["expression"] == ["Patient.gender"]
        assert "extension" not in issue


def test_reindex(served: Served) -> None:
    """`healix reindex` writes the index of all resources anew beside the running server, and says how many."""
    made = command(served, "reindex")
    assert made["state"] == "finished"
    assert made["resources"] > 0


def test_reindex_as_a_job(served: Served) -> None:
    """The job worker takes up what `$reindex` starts."""
    token = command(served, "token", "create", "--scope", "system/*.cruds", "--ttl", "60")["access_token"]
    with served.client(token) as client:
        status = client.post("/fhir/$reindex").headers["content-location"].partition("/fhir/")[2]
        deadline = time.monotonic() + 60
        while (answer := client.get(f"/fhir/{status}")).status_code == 202 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert {"name": "state", "valueCode": "finished"} in answer.json()["parameter"]


def test_migrate(served: Served) -> None:
    """`healix migrate` on a database that is up to date tells its schema and changes nothing."""
    assert command(served, "migrate") == {"schema": head()}
    with served.client() as client:
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("token", "create", "--scope", "system/Nothing.rs"), "no FHIR R4 resource type"),
        (("token", "create", "--scope", "openid"), "the scope names no resources"),
        (("token", "create", "--scope", "patient/*.rs"), "patient/ scopes need the patient"),
        (("token", "create", "--scope", "user/*.rs"), "user/ scopes need an account"),
        (("token", "create", "--scope", "user/*.rs", "--user", "nobody"), "there is no account 'nobody'"),
        (("user", "invite", "--fhir-user", "Patient/nobody"), "there is no Patient 'Patient/nobody'"),
        (("user", "invite", "--fhir-user", "demo-ines"), "there is no Patient 'demo-ines'"),
        (("user", "create", "x", "--role", "admin", "--mail", "x", "--password-stdin"), "this is no mail address"),
        (("user", "create", "x", "--role", "king", "--password-stdin"), "a role is one of"),
        (("user", "create", "No Name", "--role", "admin", "--password-stdin"), "a username is"),
        (("user", "create", "admin", "--role", "admin", "--password-stdin"), "there is already an account 'admin'"),
        (("package", "install", "/nowhere/at/all.tgz"), "there is no file /nowhere/at/all.tgz"),
        (("package", "install", __file__), "is no gzipped tar file"),
        (("package", "remove", "no.guide", "1.0.0"), "the package no.guide#1.0.0 is not installed"),
        (("peer", "add", "A" * 17, "--host", "h", "--port", "104"), "an AE title has 1 to 16"),
        (("peer", "add", "A", "--host", "h", "--port", "104", "--from", "10.0.0.1/8"), "no address and no network"),
        (("peer", "add", "A", "--host", "h", "--port", "104", "--rights", "all"), "rights are echo, store"),
        (("peer", "remove", "NOBODY"), "there is no peer NOBODY"),
        (("import", "/nowhere/at/all"), "there is no /nowhere/at/all"),
    ],
)
def test_refused_command(served: Served, arguments: tuple[str, ...], reason: str) -> None:
    """A command that cannot be done gives its reason in one line on stderr, nothing on stdout, and exit code 1."""
    done = healix(served.data_dir, *arguments, stdin="long enough 1\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("healix: ")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_wrong_option(served: Served) -> None:
    """A command line that cannot be understood ends with exit code 2 and names what is wrong."""
    done = healix(served.data_dir, "peer", "add", "X", "--host", "h", "--port", "70000")
    assert (done.returncode, done.stdout) == (2, "")
    assert "65535" in done.stderr


def test_import(served: Served, tmp_path: Path) -> None:
    """`healix import` takes NDJSON, bundles and DICOM, counts them, lists what it refuses, and exits with 1."""
    folder = source(tmp_path)
    done = healix(served.data_dir, "import", str(folder))
    report = json.loads(done.stdout)
    counts = {name: report[name] for name in ("resources", "bundles", "instances", "duplicates", "refused")}
    assert counts == {"resources": 5, "bundles": 1, "instances": 2, "duplicates": 0, "refused": 3}
    assert {item["item"] for item in report["refused_items"]} == {
        f"{folder}/patients.ndjson:4",
        f"{folder}/patients.ndjson:5",
        f"{folder}/note.txt",
    }
    assert done.returncode == 1
    with served.client(served.demo_token) as client:
        assert client.get("/fhir/Patient/cli-2").status_code == 200
        assert len(client.get("/dicomweb/instances", params={"StudyInstanceUID": uid(77)}).json()) == 2
        query = {"code": "urn:tests|cli-pulse", "_include": "Observation:subject"}
        observations = client.get("/fhir/Observation", params=query).json()
    assert {entry["resource"]["resourceType"] for entry in observations["entry"]} == {"Observation", "Patient"}


def test_import_again(served: Served, tmp_path: Path) -> None:
    """Importing the same DICOM files again counts them as duplicates and exits with 0."""
    folder = tmp_path / "ct"
    folder.mkdir()
    (folder / "a.dcm").write_bytes(ct(78, 1, 1, size=16))
    command(served, "import", str(folder))
    again = command(served, "import", str(folder))
    assert (again["instances"], again["duplicates"], again["refused"]) == (0, 1, 0)


def source(tmp_path: Path) -> Path:
    """A folder with 3 patients, 2 broken lines, a bundle of 2, 2 DICOM files and a text."""
    folder = tmp_path / "source"
    (folder / "images").mkdir(parents=True)
    broken = ['{"resourceType": "Patient", "id": "cli-3", "gender": "unheard-of"}', "{no json"]
    lines = [json.dumps(patient) for patient in PATIENTS] + broken
    (folder / "patients.ndjson").write_text("\n".join(lines) + "\n")
    (folder / "bundle.json").write_text(json.dumps(BUNDLE))
    for number in (1, 2):
        (folder / "images" / f"{number}.dcm").write_bytes(ct(77, 1, number, size=16))
    (folder / "note.txt").write_text("nothing to import")
    return folder


def test_client(served: Served) -> None:
    """`healix client create` answers the client_id, and the secret of a client that has one."""
    made = command(
        served, "client", "create", "--name", "App", "--scope", "openid patient/*.rs", "--auth", "client_secret_basic",
        "--redirect-uri", "https://app.example/cb", "--redirect-uri", "https://app.example/cb2",
    )  # fmt: skip
    assert made["client_id"]
    assert len(made["client_secret"]) == 43
    refused = healix(
        served.data_dir, "client", "create", "--name", "App", "--scope", "patient/*.rs", "--auth", "none",
        "--redirect-uri", "http://app.example/cb",
    )  # fmt: skip
    assert refused.returncode == 1
    assert "no redirect URI" in refused.stderr


def test_client_with_keys(served: Served, tmp_path: Path) -> None:
    """`healix client create --jwks-file` takes public keys, and refuses a file with anything else."""
    keys = tmp_path / "jwks.json"
    arguments = (
        "client", "create", "--name", "Backend", "--scope", "system/*.rs", "--auth", "private_key_jwt", "--jwks-file",
        str(keys),
    )  # fmt: skip
    for text in (None, "no json"):
        if text is not None:
            keys.write_text(text)
        assert healix(served.data_dir, *arguments).returncode == 1
    keys.write_text(json.dumps({"keys": [ECKey.generate_key("P-384").as_dict(private=False)]}))
    assert command(served, *arguments)["client_secret"] is None


def test_rotation_of_keys(served: Served) -> None:
    """`healix keys rotate` makes a key that the running server publishes at once, beside the ones before."""
    kids = [command(served, "keys", "rotate")["kid"] for _ in range(2)]
    with served.client() as client:
        shown = client.get("/.well-known/jwks.json").json()["keys"]
    assert [key["kid"] for key in shown][:2] == kids[::-1]


def test_invitation_of_an_app(served: Served) -> None:
    """With the token of `healix client invite` an app registers itself on the running server, once."""
    invited = command(served, "client", "invite", "--ttl", "60")
    assert invited["expires_in"] == 60
    about = {"client_name": "App", "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none"}
    with served.client(invited["initial_access_token"]) as client:
        assert [client.post("/oauth/register", json=about).status_code for _ in range(2)] == [201, 401]
        assert client.get("/fhir/Patient").status_code == 401


def test_discovery_of_the_whole_server(served: Served) -> None:
    """A running server names its authorization server in both documents and in its CapabilityStatement, alike."""
    with served.client() as client:
        smart = client.get("/fhir/.well-known/smart-configuration").json()
        openid = client.get("/.well-known/openid-configuration").json()
        security = client.get("/fhir/metadata").json()["rest"][0]["security"]
    assert openid["issuer"] == smart["issuer"]
    assert {"launch-standalone", "client-confidential-asymmetric"} <= set(smart["capabilities"])
    named = {part["url"]: part["valueUri"] for part in security["extension"][0]["extension"]}
    assert named["authorize"] == smart["authorization_endpoint"] == openid["authorization_endpoint"]
    assert named["token"] == smart["token_endpoint"] == openid["token_endpoint"]
