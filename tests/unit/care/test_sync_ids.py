"""Upstreams that give resources ids of their own are found out, and nothing else is taken for one."""

from __future__ import annotations

from typing import Any, cast

import pytest

from healix_fhir.care.sync.line import Answer, AwayError, Line
from healix_fhir.care.sync.resources import NO_IDS, send
from healix_fhir.care.sync.waiting import Settled, Waiting
from healix_fhir.model.json import encode

BASE = "http://site.example/fhir"
SAYS_NO = {"rest": [{"resource": [{"type": "Patient", "updateCreate": False}, {"type": "Device"}]}]}
OUTCOME = encode({"resourceType": "OperationOutcome", "issue": [{"diagnostics": "no such resource"}]})


class Upstream:
    """Answers each PUT with a status, and says of itself what it is given."""

    def __init__(self, status: int, says: dict[str, Any] | None) -> None:
        self.status, self.says = status, says
        self.asked: list[str] = []

    def ask(self, method: str, path: str, *_: Any, **__: Any) -> Answer:
        """An answer."""
        self.asked.append(f"{method} {path}")
        if path == "/metadata":
            return Answer(404) if self.says is None else Answer(200, {}, encode(self.says))
        return Answer(self.status, {}, OUTCOME)

    def send(self, *several: Waiting) -> list[Settled]:
        """Send it versions."""
        return send(cast("Line", self), several, BASE)


def version(type_name: str = "Patient", etag: str | None = None, seq: int = 1) -> Waiting:
    """A version that waits."""
    body = encode({"resourceType": type_name, "id": f"x{seq}"})
    return Waiting(seq, type_name, f"x{seq}", 1, 0, etag, body)


def test_it_says_so() -> None:
    """Nothing is settled, and it is asked of itself once for all that it refuses."""
    upstream = Upstream(405, SAYS_NO)
    with pytest.raises(AwayError, match="updates as creates") as away:
        upstream.send(version(), version(seq=2))
    assert str(away.value) == NO_IDS
    assert upstream.asked.count("GET /metadata") == 1


@pytest.mark.parametrize(
    ("says", "what"),
    [
        (None, version()),
        ({"rest": [{"resource": [{"type": "Patient"}]}]}, version()),
        ({"rest": [{"resource": [{"type": "Patient", "updateCreate": True}]}]}, version()),
        (SAYS_NO, version("Device")),
        (SAYS_NO, version(etag='W/"1"')),
    ],
)
def test_others_refuse_a_resource(says: dict[str, Any] | None, what: Waiting) -> None:
    """What says nothing of the kind refuses for what a resource is, which is to be decided on."""
    (one,) = Upstream(422, says).send(what)
    assert one.refusal is not None
    assert one.refusal.reason == "status 422: no such resource"
