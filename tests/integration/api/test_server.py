"""The web application as a whole: what answers without a token, what it says when a part is away."""

from __future__ import annotations

import httpx
import psycopg
import pytest

from healix_fhir.model.json import encode
from tests.support.live_server import LiveServer
from tests.support.resources import patient


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/fhir/metadata", 200),
        ("/fhir/.well-known/smart-configuration", 200),
        ("/account/login", 200),
        ("/fhir/Patient/1", 401),
        ("/fhir/Patient", 401),
        ("/fhir", 401),
        ("/dicomweb/studies", 401),
        ("/nothing", 404),
    ],
)
def test_without_a_token_only_health_discovery_and_login_answer(server: LiveServer, path: str, status: int) -> None:
    """Everything else needs a token; each answer has its request's id and the security headers."""
    with server.client() as client:
        answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_requests_of_every_room_are_counted(server: LiveServer) -> None:
    """The counters tell FHIR from DICOMweb, by route class."""
    with server.client("system/*.rs") as client:
        client.get("/fhir/Patient/1")
        client.get("/dicomweb/studies")
        text = client.get("/metrics").text
    assert 'healix_http_requests_total{route="fhir.instance",status="404"} 1.0' in text
    assert 'route="dicomweb.studies",status="200"' in text


def test_a_revoked_or_unknown_token_opens_nothing(server: LiveServer) -> None:
    """A made-up token is answered with invalid_token."""
    with httpx.Client(base_url=server.url, headers={"Authorization": "Bearer made-up"}) as client:
        answer = client.get("/fhir/Patient/1")
    assert (answer.status_code, 'error="invalid_token"' in answer.headers["www-authenticate"]) == (401, True)


def test_a_database_that_is_away_makes_the_server_unready_and_requests_are_refused_for_now(
    server: LiveServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database is away, /healthz is 200, /readyz and requests 503 with Retry-After; then all is as before."""
    monkeypatch.setattr("healix_fhir.server.health.PATIENCE", 0.5)
    name = psycopg.conninfo.conninfo_to_dict(server.settings.database_url)["dbname"]
    with server.client("system/*.cruds") as client, psycopg.connect(postgres_url, autocommit=True) as admin:
        made = client.post(
            "/fhir/Patient", content=encode(patient()), headers={"Content-Type": "application/fhir+json"}
        )
        address = f"/fhir/Patient/{made.json()['id']}"
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            refused = client.get(address)
            assert (refused.status_code, refused.json()["resourceType"]) == (503, "OperationOutcome")
            assert refused.headers["retry-after"]
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 503
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        for _ in range(100):
            if client.get("/readyz").status_code == 200:
                break
        assert client.get(address).content == made.content


def test_a_schema_of_another_version_makes_the_server_unready(server: LiveServer) -> None:
    """A node whose migrations are not those of the database does not say that it serves."""
    with psycopg.connect(server.settings.database_url, autocommit=True) as connection, server.client() as client:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "schema" in answer.json()["reason"]


def test_a_schema_of_a_later_version_is_served_as_far_as_it_supports_this_one(server: LiveServer) -> None:
    """While nodes are replaced, those of the earlier version stay in the load balancer, unless they cannot work."""
    with psycopg.connect(server.settings.database_url, autocommit=True) as connection, server.client() as client:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        assert client.get("/readyz").status_code == 200
        connection.execute("UPDATE schema_support SET oldest = '9999'")
        answer = client.get("/readyz")
    assert (answer.status_code, "schema" in answer.json()["reason"]) == (503, True)
