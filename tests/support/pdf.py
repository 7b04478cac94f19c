"""A PDF as an independent reader (pypdf) finds it."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import msgspec
from pypdf import PdfReader


class Read(msgspec.Struct, frozen=True):
    """What a test asks of a PDF. `tags` are the counts of its structure types, `fonts` those that it does not embed."""

    pages: tuple[str, ...]
    language: str
    title: str
    tagged: bool
    metadata: str
    tags: dict[str, int]
    alternatives: tuple[str, ...]
    loose_fonts: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of its text."""
        return "\n".join(self.pages)


def read(pdf: bytes) -> Read:
    """What is in a PDF."""
    reader = PdfReader(io.BytesIO(pdf), strict=True)
    root: Any = reader.trailer["/Root"]
    tags: Counter[str] = Counter()
    alternatives: list[str] = []
    _walk(root["/StructTreeRoot"], tags, alternatives)
    metadata = reader.metadata
    assert metadata is not None
    return Read(
        tuple(page.extract_text() for page in reader.pages),
        str(root["/Lang"]),
        str(metadata.title),
        bool(root["/MarkInfo"]["/Marked"]),
        root["/Metadata"].get_data().decode(),
        dict(tags),
        tuple(alternatives),
        tuple(name for page in reader.pages for name, embedded in _fonts(page) if not embedded),
    )


def _walk(node: Any, tags: Counter[str], alternatives: list[str]) -> None:
    node = node.get_object()
    if isinstance(node, list):
        for one in node:
            _walk(one, tags, alternatives)
    elif isinstance(node, dict):
        if "/S" in node:
            tags[str(node["/S"]).lstrip("/")] += 1
        if "/Alt" in node:
            alternatives.append(str(node["/Alt"]))
        if "/K" in node:
            _walk(node["/K"], tags, alternatives)


def _fonts(page: Any) -> list[tuple[str, bool]]:
    found = []
    for one in page["/Resources"].get("/Font", {}).values():
        font = one.get_object()
        descendant = font.get("/DescendantFonts", [font])[0].get_object()
        descriptor = descendant["/FontDescriptor"].get_object()
        found.append((str(font["/BaseFont"]), any("FontFile" in key for key in descriptor)))
    return found
