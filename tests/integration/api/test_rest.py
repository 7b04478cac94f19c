"""The verbs of the FHIR API over a real socket."""

from __future__ import annotations

import pytest

from healix_fhir.model.json import encode
from tests.support.live_server import LiveServer
from tests.support.resources import patient

FHIR = {"Content-Type": "application/fhir+json"}


@pytest.mark.spec("http.html#create")
def test_created_resource_is_located_tagged_and_read_back_as_the_same_bytes(server: LiveServer) -> None:
    """A create answers 201 with Location, ETag and Last-Modified, and the Location reads back what was answered."""
    with server.client("system/*.cruds") as client:
        made = client.post("/fhir/Patient", content=encode(patient()), headers=FHIR)
        assert made.status_code == 201, made.text
        assert made.headers["etag"] == 'W/"1"'
        assert made.headers["content-type"] == "application/fhir+json; charset=utf-8"
        id_ = made.json()["id"]
        assert made.headers["location"] == f"{server.url}/fhir/Patient/{id_}/_history/1"
        read = client.get(f"/fhir/Patient/{id_}")
        assert (read.status_code, read.content) == (200, made.content)
        assert read.headers["last-modified"] == made.headers["last-modified"]
        assert client.get(made.headers["location"]).content == made.content
