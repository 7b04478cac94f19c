"""A report as plain text, indented by its levels.

Spec: PS3.18 8.7.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator

from dicomweb.study.report.content import Item, Report

INDENT = "  "


def text(report: Report) -> bytes:
    """The text, in UTF-8."""
    lines = [report.title, "=" * len(report.title), ""]
    lines += [f"{name}: {value}" for name, value in report.head]
    lines += ["", *_items(report.items, 0)]
    if report.cut:
        lines.append("The report goes on; more of it than this is not shown.")
    return ("\n".join(lines) + "\n").encode()


def _items(items: tuple[Item, ...], depth: int) -> Iterator[str]:
    for item in items:
        label = f"{item.concept}:" if item.concept else ""
        value = item.value.replace("\r\n", "\n").replace("\n", f"\n{INDENT * (depth + 1)}")
        yield INDENT * depth + " ".join(part for part in (label, value) if part)
        yield from _items(item.below, depth + 1)
