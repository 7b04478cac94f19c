"""A document that is to be printed, as values: its frame and its blocks, in order.

Whatever stands in a text is shown as that text: nothing in it is markup. What cannot be printed is replaced, what is
too long is cut with a mark (printable.py), so that a document can be made of anything that is stored.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import msgspec

from healix_fhir.care.plot.chart import Chart


class Fact(msgspec.Struct, frozen=True):
    """One thing that is known of somebody, such as a birth date."""

    label: str
    text: str


class Facts(msgspec.Struct, frozen=True, tag="facts", tag_field="block"):
    """Facts side by side in so many columns; `framed` on a ground of their own."""

    facts: tuple[Fact, ...]
    columns: int = 2
    framed: bool = False


class Heading(msgspec.Struct, frozen=True, tag="heading", tag_field="block"):
    """Begins a section, or one within it (level 2). The first heading of a document has level 1."""

    text: str
    level: int = 1


class Paragraph(msgspec.Struct, frozen=True, tag="paragraph", tag_field="block"):
    """Text, whose line breaks are kept; `soft` for what is read last."""

    text: str
    soft: bool = False


class Notice(msgspec.Struct, frozen=True, tag="notice", tag_field="block"):
    """What a reader must not miss; `urgent` for what may do harm."""

    title: str
    text: str = ""
    urgent: bool = False


class Column(msgspec.Struct, frozen=True):
    """A column of a table: its share of the width, and whether it holds numbers, which stand at its right."""

    title: str
    share: float = 1.0
    numbers: bool = False


class Table(msgspec.Struct, frozen=True, tag="table", tag_field="block"):
    """A table; its head is repeated on each page. Rows have a text for each column; those `strong` are in bold."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    strong: tuple[int, ...] = ()


class Plot(msgspec.Struct, frozen=True, tag="plot", tag_field="block"):
    """A plot, laid out in points (care/plot). `alternative` says in words what it shows, `names` are its series."""

    chart: Chart
    caption: str
    alternative: str
    names: tuple[str, ...] = ()


class Picture(msgspec.Struct, frozen=True):
    """A picture (PNG or JPEG) and what it shows in words."""

    image: bytes
    caption: str
    alternative: str


class Pictures(msgspec.Struct, frozen=True, tag="pictures", tag_field="block"):
    """Pictures side by side."""

    pictures: tuple[Picture, ...]
    columns: int = 2


class Signature(msgspec.Struct, frozen=True, tag="signature", tag_field="block"):
    """A line to sign on, and what stands below it."""

    text: str


class PageBreak(msgspec.Struct, frozen=True, tag="page-break", tag_field="block"):
    """What follows begins on a new page."""


Block: TypeAlias = Facts | Heading | Paragraph | Notice | Table | Plot | Pictures | Signature | PageBreak


class Document(msgspec.Struct, frozen=True):
    """A document in a language (`words.LANGUAGES`).

    `head` stands at the top of every page: of whom the document is. `foot` stands at its end beside the page's number,
    such as when and where it was made. `overline` and `subtitle` are around the title on the first page.
    """

    title: str
    language: str
    head: str
    made: datetime
    blocks: tuple[Block, ...]
    foot: str = ""
    overline: str = ""
    subtitle: str = ""
    author: str = "Healix"
