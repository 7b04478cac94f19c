"""The black-box checks against this server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.__main__ import CHECKS
from conformance.check import Check
from conformance.target import Target
from tests.support.live_server import LiveServer, live_server


@pytest.fixture(scope="module")
def target(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A live server and a token that opens everything."""
    server: LiveServer
    with live_server(module_database_url, tmp_path_factory.mktemp("data")) as server:
        yield Target(server.url, server.token("system/*.cruds"))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.clause}-{check.requirement[:50]}")
def test_requirement_is_met(target: Target, check: Check[Target]) -> None:
    """The server meets the requirement of the clause."""
    check.run(target)
