"""What the check of a token costs, and what a flood of logins from one address costs others."""

from __future__ import annotations

import asyncio
import re
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from healix_fhir.kernel.database import open_async_pool, open_pool
from smart_auth.oauth.limits import LOGIN
from smart_auth.oauth.throttle import Throttle
from tests.bench import wrk
from tests.bench.web_servers import Served, database, healix
from tests.support.fhir_server import body
from tests.support.gate import header, open_gate, token
from tests.support.query_recorder import query_recorder
from tests.support.resources import observation
from tests.support.tools import require_tool

pytestmark = pytest.mark.bench

CHECKS = 20_000
CACHED = 60.0
"""Microseconds that a check may take of a token that is remembered."""
ROUNDS, SECONDS = 5, 3
RESOURCES = 200
WARMING = 10
CONNECTIONS, PAUSE, LEAST = 12, 50, 180
"""Of the flood: each connection sends its next login `PAUSE` ms after the answer, together some 200 a second."""
FLOOD = """
local n = %d
request = function()
  n = n + 1
  local fields = "username=somebody" .. n .. "&password=guess" .. n .. "&csrf=%s"
  return wrk.format("POST", "/account/login", {["Cookie"] = "%s", ["Content-Type"] = "%s"}, fields)
end
delay = function() return %d end
done = function(summary) io.write(string.format("\\nRESULT %%.1f\\n", summary.requests / summary.duration * 1e6)) end
"""
FORM = "application/x-www-form-urlencoded"


def test_token_check(durable_url: str) -> None:
    """A remembered token is checked within 60 µs without a statement; one that is not costs one statement."""

    async def main() -> float:
        with open_pool(durable_url, size=1) as pool:
            known, fresh = token(pool, "system/*.rs"), token(pool, "system/*.rs")
        async with open_gate(durable_url) as gate:
            await gate.access(header(known))
            with query_recorder() as statements:
                began = time.perf_counter()
                for _ in range(CHECKS):
                    await gate.access(header(known), "192.0.2.1", "r1")
                spent = (time.perf_counter() - began) / CHECKS * 1e6
            assert statements == []
            with query_recorder() as statements:
                await gate.access(header(fresh))
            assert len(statements) == 1
        return spent

    spent = asyncio.run(main())
    print(f"\ncheck of a remembered token: {spent:.1f} µs")
    assert spent <= CACHED


def test_hit(durable_url: str) -> None:
    """What counting a login costs, and refusing one that is known to wait."""

    async def main() -> tuple[float, float]:
        pool = await open_async_pool(durable_url, size=2)
        throttle = Throttle(pool)
        began = time.perf_counter()
        for n in range(1000):
            await throttle.hit(LOGIN, account=f"name{n}", address=f"192.0.2.{n % 250}")
        counted = (time.perf_counter() - began) / 1000 * 1e6
        began = time.perf_counter()
        refused = 0
        for _ in range(1000):
            try:
                await throttle.hit(LOGIN, account="ada", address="198.51.100.1")
            except Exception:  # noqa: BLE001 - it is Busy from the sixth on
                refused += 1
        held = (time.perf_counter() - began) / 1000 * 1e6
        assert refused == 995
        await pool.close()
        return counted, held

    counted, held = asyncio.run(main())
    print(f"\na login counted by five rules: {counted:.0f} µs; refused by one who knows: {held:.1f} µs")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Healix with two web workers on a database with fsync."""
    directory = tmp_path_factory.mktemp("flood")
    with database(directory) as url, healix(url, directory, workers=2) as running:
        yield running


def test_flood_of_logins(served: Served, tmp_path: Path) -> None:
    """200 logins a second from one address leave other people's reads 90 % of their rate."""
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}/fhir", headers=served.headers) as client:
        headers = {"Content-Type": "application/fhir+json"}
        sent = body(observation("Patient/p"))
        made = [client.post("/Observation", content=sent, headers=headers) for _ in range(RESOURCES)]
    paths = [f"/fhir/Observation/{one.json()['id']}" for one in made]
    reads = wrk.script(tmp_path / "read.lua", paths)
    for turn in range(WARMING):  # until the address is held
        with flooding(served, tmp_path, 10_000 * turn) as flood:
            pass
        if flood[0] >= LEAST:
            break
    rates: dict[str, list[float]] = {"alone": [], "flooded": []}
    for turn in range(ROUNDS + 1):
        alone = wrk.rate(served, reads, seconds=SECONDS)
        with flooding(served, tmp_path, 1_000_000 * (turn + 1)) as flood:
            flooded = wrk.rate(served, reads, seconds=SECONDS)
        assert flood[0] >= LEAST
        if turn:
            rates["alone"].append(alone)
            rates["flooded"].append(flooded)
    alone, flooded = (statistics.median(rates[name]) for name in ("alone", "flooded"))
    rounds = {name: [round(one) for one in found] for name, found in rates.items()}
    print(f"\nreads: alone {alone:,.0f}/s, beside {flood[0]:.0f} logins/s {flooded:,.0f}/s, {rounds}")
    assert flooded >= 0.9 * alone


@contextmanager
def flooding(served: Served, directory: Path, first: int) -> Iterator[list[float]]:
    """Log in with ever other names until the block ends; the list has the logins a second afterwards."""
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}") as client:
        page = client.get("/account/login")
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
        assert found is not None
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    script = directory / "flood.lua"
    script.write_text(FLOOD % (first, found[1], cookie, FORM, PAUSE), encoding="utf-8")
    command = [require_tool("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(script)]
    process = subprocess.Popen([*command, f"http://127.0.0.1:{served.port}"], stdout=subprocess.PIPE, text=True)
    told: list[float] = []
    yield told
    output, _ = process.communicate(timeout=SECONDS + 30)
    told.append(float(output.split("RESULT ")[1]))
