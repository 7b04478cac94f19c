"""`python -m conformance.smart.page`: writes docs/reference/smart-checks.md, the list of the checks of SMART.

A test fails when that page is not current.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

from conformance.check import Check
from conformance.matrix import ROOT
from conformance.smart.checks import GROUPS
from conformance.smart.scene import Scene

PAGE = ROOT / "docs" / "reference" / "smart-checks.md"
EXCLUSIONS = ROOT / "conformance" / "exclusions.toml"
HEAD = """# Checks of SMART

What `python -m conformance --smart FILE` asks of a server: the groups of Inferno's SMART App Launch STU 2.2 and ONC
(g)(10) test kits, made anew. Each check also has a test that sees it fail on a server with a flaw.
Made by `make docs`; do not edit.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_groups(), "## Left out\n", *_left_out(), ""])


def _groups() -> Iterator[str]:
    for name, checks in GROUPS.items():
        yield f"## {name}\n\n| requirement | clause |\n|---|---|"
        yield from map(_row, checks)
        yield ""


def _row(check: Check[Scene]) -> str:
    return f"| {check.requirement} | {check.clause} |"


def _left_out() -> Iterator[str]:
    for name, reason in tomllib.loads(EXCLUSIONS.read_text(encoding="utf-8"))["inferno"].items():
        yield f"* {name}: {reason}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
