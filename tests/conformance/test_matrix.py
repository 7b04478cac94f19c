"""The conformance matrix."""

from __future__ import annotations

from pathlib import Path

from conformance.matrix import PAGE, clauses, page
from conformance.smart.page import PAGE as SMART_PAGE
from conformance.smart.page import page as smart_page


def test_page_is_current() -> None:
    """docs/reference/conformance.md says what the tests' marks say; `make docs` makes it so."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_page_of_smart_is_current() -> None:
    """docs/reference/smart-checks.md lists the checks that there are; `make docs` makes it so."""
    assert SMART_PAGE.read_text(encoding="utf-8") == smart_page()


def test_marks_are_found(tmp_path: Path) -> None:
    """Marks on functions and on whole modules are rows of the matrix."""
    (tmp_path / "test_one.py").write_text(
        'import pytest\npytestmark = [pytest.mark.spec("A 1")]\n@pytest.mark.spec("B 2")\ndef test_x(): ...\n',
        encoding="utf-8",
    )
    assert clauses(tmp_path) == {"B 2": ["test_one.py::test_x"], "A 1": ["test_one.py"]}
