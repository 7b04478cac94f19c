"""Reports of a record: conclusions, results and key images.

Spec: FHIR R4, hl7.org/fhir/R4/diagnosticreport.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from healix_fhir.care.reports.document import Block, Column, Fact, Facts, Heading, Paragraph, Picture, Pictures, Table
from healix_fhir.care.reports.told import concept, concepts, reference, resource
from healix_fhir.care.reports.words import words
from healix_fhir.care.reports.written import Written

Json = dict[str, Any]
MOST_RESULTS = 60
"""Results of one report."""


class KeyImage(msgspec.Struct, frozen=True):
    """A picture that a report points at, small enough to be printed; `comment` is what the report says of it."""

    image: bytes
    comment: str = ""


class Findings(msgspec.Struct, frozen=True):
    """Tells of reports; `known` are the resources that they refer to, `images` their pictures by the report's id."""

    written: Written
    known: Mapping[str, Json]
    images: Mapping[str, Sequence[KeyImage]]

    def blocks(self, reports: Sequence[Json]) -> Iterator[Block]:
        """Each report, the newest first."""
        for one in reports:
            yield from self._report(one)

    def _report(self, one: Json) -> Iterator[Block]:
        say = words("record", self.written.language)
        title = concept(one.get("code"))
        yield Heading(title or say["reports"], 2)
        when = one.get("effectiveDateTime") or one.get("effectivePeriod", {}).get("start")
        told = (
            (say["col.when"], self.written.date(when)),
            (say["report.issued"], self.written.date(one.get("issued"))),
            (say["col.status"], self.written.status(one.get("status"))),
            (
                say["col.with"],
                ", ".join(filter(None, (reference(each, self.known) for each in one.get("performer", ())))),
            ),
        )
        yield Facts(tuple(Fact(label, text) for label, text in told if text), columns=4)
        conclusion = "\n".join(filter(None, (one.get("conclusion"), concepts(one.get("conclusionCode")))))
        if conclusion:
            yield Facts((Fact(say["report.conclusion"], conclusion),), columns=1)
        rows = [row for each in one.get("result", ())[:MOST_RESULTS] if (row := self._result(each)) is not None]
        if rows:
            columns = ((say["report.results"], 2.5), (say["col.values"], 2.0), (say["col.usual"], 1.7))
            yield Table(tuple(Column(name, share) for name, share in columns), tuple(rows))
        images = self.images.get(one.get("id", ""), ())
        if images:
            yield Pictures(tuple(self._picture(each, n, title) for n, each in enumerate(images, 1)))
        if not conclusion and not rows and not images:
            yield Paragraph(say["none"], soft=True)

    def _result(self, target: Json) -> tuple[str, str, str] | None:
        found = self.known.get(str(target.get("reference", "")))
        if found is None:
            return None
        ranges = found.get("referenceRange", ({},))[0]
        usual = self.written.range(ranges.get("low"), ranges.get("high")) or str(ranges.get("text", ""))
        return resource(found), self._value(found), usual

    def _value(self, found: Json) -> str:
        text = found.get("valueString") or concept(found.get("valueCodeableConcept"))
        return self.written.quantity(found.get("valueQuantity")) or str(text)

    def _picture(self, image: KeyImage, number: int, title: str) -> Picture:
        say = words("record", self.written.language)
        told = say["report.picture"].format(n=number, title=title)
        return Picture(image.image, image.comment or told, f"{told}. {image.comment}".removesuffix(". "))
