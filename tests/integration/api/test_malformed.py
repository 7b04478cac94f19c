"""Two thousand malformed requests against the whole application: each is the caller's error, and nothing is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from starlette.types import ASGIApp

from healix_fhir.kernel.database import run
from healix_fhir.kernel.settings import Settings
from healix_fhir.model import json
from healix_fhir.model.validate import validate
from healix_fhir.model.xml import decode as xml
from healix_fhir.server.app import create_app
from smart_auth.store import create_token
from tests.support.asgi import Reply, exchange, scope_of, started
from tests.support.malformed import addresses, envelopes, json_bodies, writes, xml_bodies
from tests.support.malformed.sent import JSON, KNOWN, Maker, Sent
from tests.support.resources import patient

MAKERS: tuple[Maker, ...] = (
    json_bodies.text,
    json_bodies.tree,
    json_bodies.value,
    xml_bodies.text,
    xml_bodies.tree,
    addresses.address,
    addresses.query,
    envelopes.header,
    envelopes.form,
    writes.bundle,
    writes.patch,
    writes.operation,
)
EACH = 167
"""Requests of each maker: two thousand in all."""
SEED = 20240229
SHOWN = 10


class Tried:
    """The application with one Patient in it, on an event loop of its own."""

    def __init__(self, app: ASGIApp, token: str, runner: asyncio.Runner, database_url: str) -> None:
        self._app = app
        self._token = token
        self._runner = runner
        self._url = database_url

    def send(self, sent: Sent) -> Reply:
        """The answer to a request."""
        headers = {
            "authorization": f"Bearer {self._token}",
            "accept": "application/fhir+json",
            "content-length": str(len(sent.body)),
        } | dict(sent.headers)
        scope = scope_of(sent.method, f"/fhir/{sent.url}", headers)
        return self._runner.run(exchange(self._app, scope, [sent.body]))

    def stored(self) -> list[tuple[Any, ...]]:
        """Every resource and version that there is."""
        with psycopg.connect(self._url) as connection:
            return connection.execute(
                "SELECT type, id, version, deleted FROM resource"
                " UNION ALL SELECT type, id, version, false FROM resource_history ORDER BY 1, 2, 3"
            ).fetchall()


@pytest.fixture(scope="module")
def tried(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    """The application, started."""
    directory: Path = tmp_path_factory.mktemp("malformed")
    app = create_app(Settings(data_dir=directory, database_url=module_database_url, max_body_mb=1))
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        token = run(connection, create_token("system/*.cruds"))
    with asyncio.Runner() as runner:
        lifespan = started(app)
        runner.run(lifespan.__aenter__())
        served = Tried(app, token, runner, module_database_url)
        body = json.encode(patient(id=KNOWN))
        assert served.send(Sent("PUT", f"Patient/{KNOWN}", body, {"content-type": JSON})).status == 201
        yield served
        runner.run(lifespan.__aexit__(None, None, None))


@pytest.mark.spec("FHIR R4 http.html#Status-Codes", "FHIR R4 operationoutcome.html")
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: f"{make.__module__.rpartition('.')[2]}.{make.__name__}")
def test_a_malformed_request_is_refused_with_an_outcome_and_stores_nothing(tried: Tried, make: Maker) -> None:
    """Whatever is wrong with a request, it gets a 4xx with a valid OperationOutcome, and changes nothing."""
    before = tried.stored()
    failed = []
    for number in range(EACH):
        sent = make(Random(SEED + number))
        reply = tried.send(sent)
        if (problem := _problem(sent, reply)) is not None:
            failed.append((number, problem, sent))
    assert not failed, f"{len(failed)} of {EACH}:\n" + "\n".join(str(one)[:700] for one in failed[:SHOWN])
    assert tried.stored() == before


def _problem(sent: Sent, reply: Reply) -> str | None:
    if not 400 <= reply.status < 500:
        return f"status {reply.status}: {reply.body[:300]!r}"
    try:
        outcome = xml.decode(reply.body) if "xml" in reply.headers["content-type"] else json.decode(reply.body)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test is for
        return f"unreadable outcome: {error!r} {reply.body[:300]!r}"
    issues = validate(outcome, "OperationOutcome")
    return f"invalid outcome: {issues[0].message}" if issues else None
