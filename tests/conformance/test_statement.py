"""The DICOM conformance statement."""

from __future__ import annotations

from dicomweb.dimse.contexts import SERVICES, TRANSFER_SYNTAXES
from healix_fhir.server.statement.__main__ import LIMITS, PAGE, limits, page


def test_the_statement_is_current() -> None:
    """docs/reference/dicom-conformance.md says what the code does; `make docs` makes it so."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_limits_are_current() -> None:
    """docs/reference/limits.md ends with the limits of the code for DIMSE peers; `make docs` makes it so."""
    text = LIMITS.read_text(encoding="utf-8")
    assert text == limits(text)
    assert "`associations` = 64" in text


def test_it_names_what_is_accepted() -> None:
    """Every SOP class and transfer syntax that an association may have is there."""
    text = page()
    assert [uid for uid in (*SERVICES, *TRANSFER_SYNTAXES) if f"| {uid} |" not in text] == []
