"""Programs of other makers that interoperability tests need.

A test whose program is not installed is skipped by name.
"""

from __future__ import annotations

import shutil

import pytest


def require_tool(name: str) -> str:
    """The path of an installed program; skips the calling test, naming the program, where there is none."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"the program '{name}' is not installed")
    return path
