"""Who may do what, on every address of DICOMweb."""

from __future__ import annotations

import httpx
import pytest
from pydicom.dataset import Dataset

from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body, file_of

READ = [
    "/studies/{0}",
    "/studies/{0}/metadata",
    "/studies/{0}/series/{1}",
    "/studies/{0}/series/{1}/metadata",
    "/studies/{0}/series/{1}/instances/{2}",
    "/studies/{0}/series/{1}/instances/{2}/metadata",
    "/studies/{0}/series/{1}/instances/{2}/frames/1",
    "/studies/{0}/series/{1}/instances/{2}/bulkdata/7FE00010",
]
SEARCH = [
    "/studies",
    "/series",
    "/instances",
    "/studies/{0}/series",
    "/studies/{0}/instances",
    "/studies/{0}/series/{1}/instances",
]
STORE = ["/studies", "/studies/{0}"]


def address(path: str, one: Dataset) -> str:
    """The path for an instance."""
    return "/dicomweb" + path.format(one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID)


def each(client: httpx.Client, one: Dataset) -> dict[str, httpx.Response]:
    """What every address answers."""
    content = body([file_of(one)])
    found = {f"GET {path}": client.get(address(path, one)) for path in [*READ, *SEARCH, "/nothing/here"]}
    return found | {f"POST {path}": client.post(address(path, one), content=content, headers=HEADERS) for path in STORE}


@pytest.fixture
def one(server: LiveServer, study: list[Dataset]) -> Dataset:
    """An instance that the server holds."""
    with server.client("system/ImagingStudy.c") as client:
        assert client.post("/dicomweb/studies", content=body([file_of(study[0])]), headers=HEADERS).is_success
    return study[0]


@pytest.mark.parametrize("token", [None, "no-token-of-this-server"])
def test_no_address_answers_without_a_token(server: LiveServer, one: Dataset, token: str | None) -> None:
    """Without a token that lives every address answers 401 and how to get in, also one that does not exist."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=server.url, headers=headers) as client:
        answers = each(client, one)
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 401)
    wanted = 'Bearer realm="Healix"' + (', error="invalid_token"' if token else "")
    assert {answer.headers["www-authenticate"] for answer in answers.values()} == {wanted}


@pytest.mark.parametrize("scope", ["system/Patient.cruds", "system/ImagingStudy.u"])
def test_no_address_answers_with_a_scope_for_something_else(server: LiveServer, one: Dataset, scope: str) -> None:
    """A token that opens no imaging answers 403 with insufficient_scope everywhere."""
    with server.client(scope) as client:
        answers = each(client, one)
    missing = answers.pop("GET /nothing/here")
    assert missing.status_code == 404
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 403)
    assert all('error="insufficient_scope"' in answer.headers["www-authenticate"] for answer in answers.values())


def test_permissions_open_their_own_transactions_only(server: LiveServer, one: Dataset) -> None:
    """`r` retrieves, `s` searches, `c` stores, and none does another's work."""
    expected = {"r": READ, "s": SEARCH, "c": STORE}
    for permission, paths in expected.items():
        with server.client(f"system/ImagingStudy.{permission}") as client:
            opened = {name.partition(" ")[2] for name, answer in each(client, one).items() if answer.status_code == 200}
        names = set(paths) | ({"/studies"} if permission == "s" else set())
        assert opened == names


def test_another_patients_study_is_as_good_as_not_there(server: LiveServer, one: Dataset) -> None:
    """A hidden study answers exactly like one that does not exist, and nothing can be added to it."""
    with server.client("patient/ImagingStudy.cruds", patient="someone-else") as client:
        for path in READ:
            hidden = client.get(address(path, one))
            absent = client.get("/dicomweb" + path.format("1.2.3", "1.2.4", "1.2.5"))
            assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content) == (404, hidden.content)
        for path in SEARCH:
            assert client.get(address(path, one)).json() == []
        refused = client.post("/dicomweb/studies", content=body([file_of(one)]), headers=HEADERS)
        assert refused.status_code == 409
        assert refused.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0x0124]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/studies", "GET, HEAD, POST"),
        ("POST", "/series", "GET, HEAD"),
        ("PUT", "/studies", "GET, HEAD, POST"),
    ],
)
def test_other_methods_are_refused_with_those_there_are(
    server: LiveServer, one: Dataset, method: str, path: str, allow: str
) -> None:
    """405 names what is possible."""
    with server.client("system/*.cruds") as client:
        answer = client.request(method, address(path, one))
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
