"""The description of the FHIR API, for programs and for people."""

from __future__ import annotations

from pathlib import Path

from tests.support.live_server import live_server


def test_it_is_open_to_everyone(database_url: str, tmp_path: Path) -> None:
    """Without a token: the document says where the server is, the page shows one type at a time."""
    with live_server(database_url, tmp_path) as server, server.client() as client:
        answer = client.get("/openapi.json")
        assert answer.headers["content-type"].startswith("application/vnd.oai.openapi+json")
        document = answer.json()
        assert document["openapi"] == "3.1.0"
        assert document["servers"] == [{"url": server.settings.fhir_base}]
        assert "/Patient/{id}/$everything" in document["paths"]
        page = client.get("/openapi?type=Patient")
        assert page.headers["content-type"].startswith("text/html")
        assert "GET /Patient/{id}/$everything" in page.text
        assert "<code>birthdate</code>" in page.text
        assert "POST /Observation<" not in page.text
        assert client.get("/openapi?type=%3Cscript%3E").status_code == 200
