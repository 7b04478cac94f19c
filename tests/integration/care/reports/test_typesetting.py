"""Documents as PDF, as an independent reader finds them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest

from healix_fhir.care.plot.chart import Room, chart
from healix_fhir.care.plot.series import Band, Series, Value
from healix_fhir.care.plot.series import Plot as Course
from healix_fhir.care.reports import typesetting
from healix_fhir.care.reports.document import (
    Column,
    Document,
    Fact,
    Facts,
    Heading,
    Notice,
    PageBreak,
    Paragraph,
    Picture,
    Pictures,
    Plot,
    Signature,
    Table,
)
from healix_fhir.care.reports.typesetting import MOST_ROWS, pdf
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.pdf import read
from tests.support.pictures import png

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VALUES = tuple(Value(NOW + timedelta(hours=n), 60.0 + n % 30, marked=n % 30 > 25) for n in range(200))
COURSE = Course((Series("s", VALUES),), NOW, NOW + timedelta(hours=200), UTC, (Band(60, 80),))


def document(*blocks: object, language: str = "en") -> Document:
    """A document about nobody."""
    return Document("Record of care", language, "Ada Lovelace · 1815", NOW, blocks, "made today", "Clinic", "All of it")  # type: ignore[arg-type]


@pytest.mark.spec("ISO 14289-1")
def test_accessible() -> None:
    """A document is tagged, has language and title, alternative texts, embedded fonts, and says that it is PDF/UA-1."""
    found = read(
        pdf(
            document(
                Facts((Fact("Name", "Ada"), Fact("Born", "1815")), framed=True),
                Heading("Problems"),
                Notice("Beware", "of this", urgent=True),
                Table(
                    (Column("What"), Column("Much", numbers=True)), (("salt", "1.50 g"), ("स्वास्थ्य", "2 g")), strong=(0,)
                ),
                Heading("Course", 2),
                Plot(chart(COURSE, Room(480, 120)), "Heart rate in /min", "It rises.", ("one", "two")),
                Pictures((Picture(png(40, 30), "below", "A grey square"),)),
                Paragraph("last\nlines", soft=True),
                PageBreak(),
                Signature("Dr. X"),
                language="hi",
            )
        )
    )
    assert (found.language, found.title, found.tagged, found.loose_fonts) == ("hi", "Record of care", True, ())
    assert found.alternatives == ("It rises.", "A grey square")
    assert "<pdfuaid:part>1</pdfuaid:part>" in found.metadata
    assert "<pdfaid:part>2</pdfaid:part>" in found.metadata
    assert {"Title": 1, "H1": 1, "H2": 1, "Table": 1, "TH": 2, "TD": 4, "Figure": 2}.items() <= found.tags.items()
    for n, page in enumerate(found.pages, 1):
        assert "Ada Lovelace · 1815" in page
        assert f"{n} / 2" in page
    assert "1.50 g" in found.text


def test_hostile() -> None:
    """Whatever stands in a text is text: it neither ends the document nor becomes markup, and tables have an end."""
    every = "".join(map(chr, (*range(0x20, 0xD800, 7), *range(0xE000, 0x20000, 61))))
    hostile = (
        "#panic() *a* $x$ [b] <c> @d \\ `e` // /* {}",
        every,
        "x" * 9000,
        "\u202e\x00\x1b[31m",
        "q" + "\u0301" * 999,
    )
    rows = tuple((text, text) for text in hostile) * 20
    found = read(
        pdf(
            document(
                *map(Paragraph, hostile),
                Heading(hostile[0]),
                Notice(*hostile[1:3]),
                Table((Column(every[:90]), Column("b", 0.1)), rows),
            )
        )
    )
    assert hostile[0] in found.text.replace("\n", " ")
    with pytest.raises(HealixError, match="rows at most") as refused:
        pdf(document(Table((Column("a"),), (("b",),) * (MOST_ROWS + 1))))
    assert refused.value.category is Category.TOO_LARGE


def test_given_up() -> None:
    """A process that fails or never ends is a fault of ours, told without what was in the document."""
    with pytest.raises(HealixError, match="could not be made") as broken:
        pdf(document(Pictures((Picture(b"\x89PNG no picture of Ada", "c", "a"),))))
    assert broken.value.category is Category.FAULT
    with patch.object(typesetting, "SECONDS", 0.01), pytest.raises(HealixError, match="given up"):
        pdf(document())


def test_apart() -> None:
    """The library is loaded by the process that sets a document, and by no other."""
    pdf(document())
    assert "typst" not in sys.modules
