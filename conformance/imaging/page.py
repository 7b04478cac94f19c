"""`python -m conformance.imaging.page`: writes docs/reference/dicomweb.md, the matrix of DICOMweb by clause.

A test fails when that page is not current, and when a clause has neither test nor check nor a reason in the file
exclusions.toml.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping

from conformance.imaging.checks import CHECKS
from conformance.imaging.clauses import CLAUSES
from conformance.matrix import ROOT, clauses

PAGE = ROOT / "docs" / "reference" / "dicomweb.md"
EXCLUSIONS = ROOT / "conformance" / "exclusions.toml"
NAMED = re.compile(r"PS3\.18 (?:Annex |Table |Tables )?([A-Z](?:\.[\d.]+)?|\d+(?:\.\d+)*)")
HEAD = """# DICOMweb by clause

Each clause of PS3.18 (2024d) that the server is measured by, the tests that name it, and the checks that
`python -m conformance` makes of any server. What is written for a part of a clause counts for the nearest one listed.
Made by `make docs`; do not edit.

| clause | | tests | checks |
|---|---|---|---|
"""


def evidence() -> Mapping[str, tuple[list[str], list[str]]]:
    """Tests and checks by clause."""
    found: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for mark, tests in clauses().items():
        for clause in _listed(mark):
            found[clause][0].extend(tests)
    for check in CHECKS:
        for clause in _listed(check.clause):
            found[clause][1].append(check.requirement)
    return found


def _listed(text: str) -> Iterator[str]:
    """The clauses that a text names, each as the nearest one of the list."""
    for named in NAMED.findall(text):
        parts = named.rstrip(".").replace("-", ".").split(".")
        nearest = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        yield from [clause for clause in nearest if clause in CLAUSES][:1]


def excluded() -> Mapping[str, str]:
    """Clauses without evidence, and why."""
    found: Mapping[str, str] = tomllib.loads(EXCLUSIONS.read_text(encoding="utf-8")).get("dicomweb-clauses", {})
    return found


def page() -> str:
    """The whole page."""
    known = evidence()
    return HEAD + "".join(_row(clause, *known.get(clause, ([], []))) for clause in CLAUSES)


def _row(clause: str, tests: list[str], checks: list[str]) -> str:
    named = ", ".join(f"`{test}`" for test in dict.fromkeys(tests)) or excluded().get(clause, "")
    return f"| {clause} | {CLAUSES[clause]} | {named} | {'; '.join(checks)} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
