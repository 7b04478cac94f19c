"""What long works are held to: answers that break the promise are found."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.faults.ledger import Ledger
from tests.faults.works import LINES, PEOPLE, Export, Import, Reindex, Work
from tests.support.plain import NO_TLS

Json = dict[str, Any]
ALL = [f"exported-{n}" for n in range(PEOPLE)]


def asked(kind: type[Work], status: Json, others: Json | str) -> list[str]:
    """What is found wrong with a work whose status is this when it is done, and whose files or finds are these."""
    ledger = Ledger()

    def send(_: httpx.Client, method: str, path: str, **__: Any) -> httpx.Response:
        if path == "/job":
            return httpx.Response(200, json=status)
        return httpx.Response(200, text=others if isinstance(others, str) else json.dumps(others))

    work = kind(ledger, send)
    work.number, work.status = 1, "/job"
    with httpx.Client(verify=NO_TLS) as client:
        work.step(client)
    return ledger.wrong


def file(ids: list[str]) -> str:
    """Lines of an export."""
    return "".join(json.dumps({"id": id_}) + "\n" for id_ in ids)


@pytest.mark.parametrize(
    ("ids", "count", "is_whole"),
    [
        (ALL, PEOPLE, True),
        (ALL[1:], PEOPLE - 1, False),
        ([*ALL, ALL[0]], PEOPLE + 1, False),
        (ALL, PEOPLE + 1, False),
    ],
    ids=["whole", "one is lost", "one comes twice", "counted wrongly"],
)
def test_exports(ids: list[str], count: int, is_whole: bool) -> None:
    """Every patient once, and as many lines as the manifest says."""
    manifest = {"output": [{"url": "http://x/file", "count": count}], "error": []}
    assert (asked(Export, manifest, file(ids)) == []) is is_whole


@pytest.mark.parametrize(
    ("versions", "count", "is_whole"),
    [
        (["1"] * LINES, LINES, True),
        (["1"] * (LINES - 1), LINES, False),
        (["1"] * LINES, LINES - 1, False),
        (["2", *["1"] * (LINES - 1)], LINES, False),
    ],
    ids=["whole", "one is lost", "counted wrongly", "one is stored twice"],
)
def test_imports(versions: list[str], count: int, is_whole: bool) -> None:
    """Every line is stored in one version, and counted."""
    manifest = {"output": [{"count": count}], "error": [{"count": 1}]}
    found = {"entry": [{"resource": {"meta": {"versionId": version}}} for version in versions]}
    assert (asked(Import, manifest, found) == []) is is_whole


@pytest.mark.parametrize(("state", "is_whole"), [("finished", True), ("cancelled", False)])
def test_renewals_of_the_index(state: str, is_whole: bool) -> None:
    """A run comes to its end."""
    told = [{"name": "state", "valueCode": state}, {"name": "done", "valueInteger": PEOPLE}]
    assert (asked(Reindex, {"parameter": told}, {}) == []) is is_whole
