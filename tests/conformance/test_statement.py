"""The DICOM conformance statement."""

from __future__ import annotations

from dataclasses import fields

import pytest

from dicomweb.dimse.contexts import SERVICES, TRANSFER_SYNTAXES
from dicomweb.routing.stow import LATER, TAKEN
from healix_fhir.kernel.settings import Settings
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


SECTIONS = (
    "## Overview",
    "### Content and transfer",
    "## Introduction",
    "## Implementation model",
    "### Sequencing of real-world activities",
    "## Network services",
    "### DIMSE services",
    "### DICOM web services",
    "#### Statuses",
    "#### As user agent",
    "### Communication failures",
    "## Configuration",
    "## Media services",
    "## Transfer syntaxes",
    "## Character sets",
    "## Security",
)
"""What a statement tells of, as far as the template was found: N.1, N.4, N.5, N.6, N.7.2, N.7.3 and N.8."""


@pytest.mark.spec("PS3.2 N (2024d)")
@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_is_there(section: str) -> None:
    """Once, with something in it."""
    _, found, after = page().partition(f"\n{section}\n\n")
    assert found
    assert after[:1] not in ("", "\n")
    assert page().count(f"\n{section}\n") == 1


@pytest.mark.spec("PS3.2 N.7.3.3 (2024d)")
def test_it_says_what_is_sent_to_other_servers() -> None:
    """The statuses by which a request of a route is taken, or sent again later, are those of the code."""
    text = page()
    assert "no user agent" not in text
    for statuses in (TAKEN, LATER):
        assert f"| {', '.join(map(str, statuses))} |" in text


@pytest.mark.spec("PS3.2 N.6 (2024d)")
def test_it_names_the_settings_of_dimse() -> None:
    """Every setting of the DIMSE process."""
    names = [one.name for one in fields(Settings) if one.name.startswith("dimse_")]
    assert [name for name in names if f"\n| `HEALIX_{name.upper()}` | `" not in page()] == []
