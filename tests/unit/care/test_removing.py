"""What an upstream says to the deletion of an image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from healix_fhir.care.sync.line import Answer, AwayError, Line, refuse
from healix_fhir.care.sync.removing import Removal, remove

ONE = Removal("1.2", "1.2.3", "1.2.3.4", None, 7, 0)
PATH = "/studies/1.2/series/1.2.3/instances/1.2.3.4"


@dataclass
class Stub:
    """A line to a server that gives these answers."""

    answers: list[Answer]
    asked: list[tuple[str, str]] = field(default_factory=list)

    def ask(self, method: str, path: str, own: frozenset[int] = frozenset(), **_: Any) -> Answer:
        """As a Line does."""
        self.asked.append((method, path))
        answer = self.answers.pop(0)
        if answer.status not in own:
            refuse(answer)
        return answer


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        ([Answer(204)], None),
        ([Answer(404), Answer(204)], None),
        ([Answer(404), Answer(200, {}, b"[]")], None),
        ([Answer(410), Answer(404)], None),
        ([Answer(404), Answer(200, {}, b'[{"00080018":{}}]')], "status 404"),
        ([Answer(403)], "status 403"),
        ([Answer(405)], "status 405"),
        ([Answer(409)], "status 409"),
        ([Answer(501)], "status 501"),
    ],
)
def test_what_is_not_deleted_is_told_with_its_status(answers: list[Answer], kept: str | None) -> None:
    """It is gone where the server says so, and where it has no such image; else it is kept there."""
    stub = Stub(answers)
    assert remove(cast("Line", stub), ONE) == kept
    assert stub.asked[0] == ("DELETE", PATH)
    assert stub.answers == []


@pytest.mark.parametrize("status", [401, 429, 503])
def test_who_takes_nothing_is_asked_again(status: int) -> None:
    """What says nothing of the deletion leaves it to be tried again."""
    with pytest.raises(AwayError):
        remove(cast("Line", Stub([Answer(status)])), ONE)
