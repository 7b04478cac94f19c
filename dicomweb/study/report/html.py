"""A report as a page: headings for containers, a list of concepts and values below them.

Everything that comes from the report is escaped; the page runs no scripts and loads nothing.
Spec: PS3.18 8.7.4 (2024d), PS3.3 C.17.3 (2024d)
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape

from dicomweb.study.report.content import Item, Report

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2, h3, h4, h5, h6 { font-size: 1.1rem; margin: 1.5rem 0 .25rem; }
table { border-collapse: collapse; margin-bottom: 1.5rem; }
th { text-align: left; font-weight: 600; padding: .1rem 1.5rem .1rem 0; vertical-align: top; }
td { padding: .1rem 0; }
ul { margin: .25rem 0; padding-left: 1.25rem; }
p, li, td { overflow-wrap: anywhere; }
.value { white-space: pre-line; }
.concept { font-weight: 600; }
"""
POLICY = (
    "default-src 'none'; frame-ancestors 'self'; base-uri 'none'; form-action 'none';"
    f" style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'"
)
"""The Content-Security-Policy of the page: its own style and nothing else."""
DEEPEST = 6


def page(report: Report) -> bytes:
    """The page, in UTF-8."""
    return "".join(_page(report)).encode()


def _page(report: Report) -> Iterator[str]:
    title = escape(report.title)
    yield '<!DOCTYPE html>\n<html><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title><style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n<table>\n"
    for name, value in report.head:
        yield f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>\n'
    yield "</table>\n"
    yield from _items(report.items, 2)
    if report.cut:
        yield "<p>The report goes on; more of it than this is not shown.</p>\n"
    yield "</body></html>\n"


def _items(items: tuple[Item, ...], level: int) -> Iterator[str]:
    """Containers as sections, what stands between them as lists."""
    listed = False
    for item in items:
        if item.container == listed:
            yield "</ul>\n" if listed else "<ul>\n"
            listed = not listed
        if item.container:
            yield f"<section><h{level}>{escape(item.concept)}</h{level}>\n" if item.concept else "<section>\n"
            yield from _items(item.below, min(level + 1, DEEPEST))
            yield "</section>\n"
        else:
            yield f"<li>{_line(item)}"
            yield from _items(item.below, min(level + 1, DEEPEST))
            yield "</li>\n"
    if listed:
        yield "</ul>\n"


def _line(item: Item) -> str:
    concept = f'<span class="concept">{escape(item.concept)}:</span> ' if item.concept else ""
    return f'{concept}<span class="value">{escape(item.value)}</span>'
