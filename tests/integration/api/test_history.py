"""History over a real socket."""

from __future__ import annotations

import pytest

from healix_fhir.model.json import encode
from tests.support.live_server import LiveServer
from tests.support.resources import observation, patient

FHIR = {"Content-Type": "application/fhir+json"}
LEVELS = ("/fhir/Observation/o1/_history", "/fhir/Observation/_history", "/fhir/_history")


def fill(server: LiveServer) -> None:
    """Two patients, and two versions of an Observation of each."""
    with server.client("system/*.cruds") as client:
        for n in (1, 2):
            client.put(f"/fhir/Patient/p{n}", content=encode(patient(id=f"p{n}")), headers=FHIR)
            for status in ("final", "amended"):
                made = observation(f"Patient/p{n}", id=f"o{n}", status=status)
                client.put(f"/fhir/Observation/o{n}", content=encode(made), headers=FHIR)


@pytest.mark.spec("FHIR R4 http.html#history")
@pytest.mark.parametrize(("url", "total"), list(zip(LEVELS, (2, 4, 6), strict=True)))
def test_links_lead_through_a_history(server: LiveServer, url: str, total: int) -> None:
    """Page by page by the next link, each version once, with its address and its method."""
    fill(server)
    with server.client("system/*.cruds") as client:
        page = client.get(url, params={"_count": "1"}).json()
        seen: list[tuple[str, str]] = []
        while True:
            assert (page["type"], page["total"]) == ("history", total)
            seen += [(entry["fullUrl"], entry["response"]["etag"]) for entry in page["entry"]]
            assert all(entry["request"]["method"] == "PUT" for entry in page["entry"])
            links = {link["relation"]: link["url"] for link in page["link"]}
            assert links["self"].startswith(f"{server.url}{url}?_count=1")
            if "next" not in links:
                break
            page = client.get(links["next"]).json()
        assert len(seen) == len(set(seen)) == total
        assert client.head(url).status_code == 200


@pytest.mark.parametrize("url", LEVELS)
def test_no_token_wrong_scope_wrong_patient(server: LiveServer, url: str) -> None:
    """401 without a token, 403 without the scope, and of another patient nothing, or what there would be without it."""
    fill(server)
    with server.client() as stranger:
        assert stranger.get(url).status_code == 401
    with server.client("system/Encounter.c") as other:
        assert other.get(url).status_code == 403
    with server.client("patient/*.rs", patient="p2") as app:
        if "o1" in url:
            hidden, absent = app.get(url), app.get(url.replace("o1", "o9"))
            assert (hidden.status_code, hidden.text.replace("o1", "o9")) == (404, absent.text)
        else:
            page = app.get(url).json()
            assert {entry["fullUrl"].rpartition("/")[2] for entry in page["entry"]} <= {"p2", "o2"}
            assert page["total"] == len(page["entry"]) == (3 if url == "/fhir/_history" else 2)
            assert "p1" not in app.get(url).text
