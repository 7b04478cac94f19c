"""The one file of exclusions, each with its reason."""

from __future__ import annotations

import tomllib
from pathlib import Path

FILE = Path(__file__).parents[2] / "conformance" / "exclusions.toml"


def exclusions(section: str) -> dict[str, str]:
    """The reasons of a section by name."""
    found: dict[str, str] = tomllib.loads(FILE.read_text(encoding="utf-8"))[section]
    return found
