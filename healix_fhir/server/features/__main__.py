"""`python -m healix_fhir.server.features`: write what works and what is refused, for readers and for checkers.

docs/reference/fhir.md is the page, conformance/features.json the same rows as data, which `python -m conformance`
holds a server to. A test fails when they are not current.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import cast

import msgspec

from healix_fhir.api.address import Edge
from healix_fhir.api.routes import routes
from healix_fhir.server.features import interactions, search
from healix_fhir.server.features.feature import Feature

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "fhir.md"
DATA = ROOT / "conformance" / "features.json"
BAR = "\\|"
HEAD = """# What of FHIR R4 works

Each row is something that R4 defines, with a request that asks for it. What does not work is refused by name: the last
column is the answer. Made from the code by `make docs`; do not edit. `python -m conformance` asks a server all of it.
"""


def rows() -> list[Feature]:
    """Every row, area by area."""
    edge = cast("Edge", None)  # routes are looked at, and never called
    return [
        *interactions.interactions(routes(edge)),
        *interactions.formats(),
        *search.features(),
        *interactions.operations(),
        *interactions.parameters_of_operations(),
    ]


def page(features: list[Feature]) -> str:
    """The page."""
    parts = [HEAD]
    for area, inside in groupby(features, lambda feature: feature.area):
        listed = list(inside)
        done = sum(feature.works for feature in listed)
        parts.append(f"\n## {area}\n\n{done} of {len(listed)} work.\n\n| feature | request | answer |\n|---|---|---|\n")
        parts += [_row(feature) for feature in listed]
    return "".join(parts)


def data(features: list[Feature]) -> bytes:
    """The rows as JSON, one a line."""
    return b"[\n" + b",\n".join(msgspec.json.encode(feature) for feature in features) + b"\n]\n"


def _row(feature: Feature) -> str:
    method, url = feature.request
    answer = "works" if feature.works else f"refused: {feature.refusal}"
    cells = (feature.name, f"`{method} [base]/{url}`", answer)
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |\n"


def main() -> None:
    """Write both."""
    features = rows()
    PAGE.write_text(page(features), encoding="utf-8")
    DATA.write_bytes(data(features))


if __name__ == "__main__":
    main()
