"""The checks of DICOMweb and their matrix."""

from __future__ import annotations

import pytest

from conformance.__main__ import _fails
from conformance.imaging.checks import CHECKS
from conformance.imaging.clauses import CLAUSES
from conformance.imaging.page import PAGE, evidence, excluded, page
from conformance.target import Answer, Target

ANSWERS = {
    "nothing but success": Answer(200, {"content-type": "text/plain"}, b""),
    "nothing but missing": Answer(404, {"content-type": "application/json"}, b"{}"),
    "nothing but failure": Answer(500, {}, b""),
}


def test_page_is_current() -> None:
    """docs/reference/dicomweb.md says what marks and checks say; `make docs` makes it so."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_clause_has_evidence() -> None:
    """Each clause has a test or a check, or a reason why not; no reason is left over."""
    assert CLAUSES.keys() - evidence().keys() == excluded().keys()


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_every_check_can_fail(answer: Answer) -> None:
    """A server that answers everything alike meets no requirement of those that one kind of answer cannot meet."""
    target = Target("http://healix.test", "token", lambda asked: answer)
    passed = [check.requirement for check in CHECKS if not _fails(target, check)]
    assert passed == (["what is not there is 404"] if answer.status == 404 else [])
