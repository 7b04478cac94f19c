"""A record as a document: the first page with identity and summary, then the sections that were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from healix_fhir.care.reports.document import Block, Document, Fact, Facts, Heading, Notice, Paragraph
from healix_fhir.care.reports.record.about import facts, head
from healix_fhir.care.reports.record.findings import Findings, KeyImage
from healix_fhir.care.reports.record.gathering import Found, Gathered
from healix_fhir.care.reports.record.lists import Lists
from healix_fhir.care.reports.record.sections import MOST, MOST_VALUES
from healix_fhir.care.reports.record.strips import strips
from healix_fhir.care.reports.record.trends import trends
from healix_fhir.care.reports.record.vitals import measures
from healix_fhir.care.reports.words import words
from healix_fhir.care.reports.written import Written

Json = dict[str, Any]


class Manner(msgspec.Struct, frozen=True):
    """How a record is written, when, and what its times are called."""

    written: Written
    made: datetime
    zone: str
    clinic: str = ""


def compose(gathered: Gathered, manner: Manner, images: Mapping[str, Sequence[KeyImage]], lost: int = 0) -> Document:
    """The document. `images` are the key images by the report's id; `lost`, those that could not be had."""
    written = manner.written
    say = words("record", written.language)
    period = say["period"].format(
        start=written.day(gathered.period.start.astimezone(written.zone).date()),
        end=written.day((gathered.period.end - timedelta(microseconds=1)).astimezone(written.zone).date()),
    )
    made = say["made"].format(when=written.moment(manner.made), zone=manner.zone)
    blocks = [
        facts(gathered.patient, written, ("period", period), ("zone", manner.zone)),
        Paragraph(say["scope"].format(zone=manner.zone), soft=True),
        *_summary(gathered, say),
        *(
            block
            for name, found in gathered.sections.items()
            for block in _section(name, found, gathered, manner, images)
        ),
    ]
    if lost:
        blocks.append(Paragraph(say["pictures_left_out"].format(n=lost), soft=True))
    title = say["title"]
    return Document(
        title=title,
        language=written.language,
        head=head(gathered.patient, written),
        made=manner.made,
        blocks=tuple(blocks),
        foot=made,
        overline=manner.clinic,
        subtitle=period,
    )


def _summary(gathered: Gathered, say: Mapping[str, str]) -> Iterator[Block]:
    """How much there is of what."""
    yield Heading(say["summary"])
    counts = {
        name: str(len(found.resources)) + ("+" if found.more else "") if found.seen else "\N{EN DASH}"
        for name, found in gathered.sections.items()
    }
    yield Facts(tuple(Fact(say[name], count) for name, count in counts.items()), columns=4)


def _section(
    name: str, found: Found, gathered: Gathered, manner: Manner, images: Mapping[str, Sequence[KeyImage]]
) -> Iterator[Block]:
    written = manner.written
    say = words("record", written.language)
    yield Heading(say[name])
    if not found.seen:
        yield Paragraph(say["not_seen"], soft=True)
        return
    if found.more:
        yield Notice(say["shortened"].format(n=MOST_VALUES if name == "vitals" else MOST))
    if found.heavy:
        yield Notice(say["left_out"].format(n=found.heavy))
    if not found.resources:
        yield Paragraph(say["none"], soft=True)
    elif name == "vitals":
        yield from trends(measures(found.resources), gathered.period, written)
        yield from strips(found.resources, written)
    elif name == "reports":
        yield from Findings(written, gathered.known, images).blocks(found.resources)
    else:
        yield from Lists(written, gathered.known).blocks(name, found.resources)
