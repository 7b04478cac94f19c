"""Requests that the OpenAPI document allows, made by schemathesis: no fault, no hang, no growth.

The number of cases is `HEALIX_FUZZ_CASES` (`make fuzz CASES=100000`), shared out among the operations of the document.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.support.serve import Served, serving

CASES = int(os.environ.get("HEALIX_FUZZ_CASES", "2000"))
SEED = int(os.environ.get("HEALIX_FUZZ_SEED", "1"))
SECONDS = 30
"""Patience for one answer."""
GROWTH = 200 << 20
"""Bytes by which the server's processes may have grown over the second half of the cases."""
BUSY = 503

pytestmark = [pytest.mark.long, pytest.mark.timeout(0), pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with nothing in it."""
    with serving(tmp_path_factory.mktemp("fuzz") / "data", "--workers", "2") as running:
        yield running


def test_no_request_of_the_document_is_a_fault(server: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Every one is answered in time, and none with 5xx but 503; what is refused is told in an OperationOutcome."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: make fuzz")
    requests = pytest.importorskip("requests")
    token = server.token("system/*.cruds")
    with server.client() as client:
        document = client.get("/openapi.json").json()
    operations = [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]
    each = -(-CASES // len(operations))
    answers: Counter[int] = Counter()
    wrong: list[str] = []
    sizes: list[int] = []
    begun = time.monotonic()
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        for operation in operations:
            _fuzz(operation, each, server, session, answers, wrong)
            sizes.append(_size(server))
    with capsys.disabled():
        told = f"{answers.total()} cases of {len(operations)} operations in {time.monotonic() - begun:.0f} s"
        memory = [sizes[n] >> 20 for n in (0, len(sizes) // 2, -1)]
        print(f"\n{told}: {dict(sorted(answers.items()))}; memory {memory} MB")  # noqa: T201 - the result
    assert wrong == []
    assert sizes[-1] - sizes[len(sizes) // 2] < GROWTH
    with server.client() as client:
        assert client.get("/readyz").status_code == 200
    assert "Traceback" not in server.log.read_text()


def _fuzz(operation: Any, each: int, server: Served, session: Any, answers: Counter[int], wrong: list[str]) -> None:
    @seed(SEED)
    @settings(
        max_examples=each,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        try:
            answer = case.call(base_url=f"{server.url}/fhir", session=session, timeout=SECONDS)
        except OSError as error:  # as those of requests are
            wrong.append(f"{operation.label}: {error!r} to {case.as_curl_command()[:500]}")
            return
        answers[answer.status_code] += 1
        if answer.status_code >= 500 and answer.status_code != BUSY:
            wrong.append(f"{operation.label}: {answer.status_code} to {case.as_curl_command()[:500]}")

    ask()


def _size(server: Served) -> int:
    """Bytes of memory of the server's processes, without its database."""
    return sum(child.memory_info().rss for child in server.children())
