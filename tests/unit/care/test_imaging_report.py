"""A signed report as a document and as objects: all of what it says, in every language."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from dicomweb.dicomjson.encode import encode
from dicomweb.dicomjson.read_json import read
from healix_fhir.care.reports.document import Heading, Paragraph
from healix_fhir.care.reports.words import LANGUAGES, words
from healix_fhir.imaging.reporting.edition import Edition, Study
from healix_fhir.imaging.reporting.objects import structured
from healix_fhir.imaging.reporting.printed import document
from healix_fhir.model.imaging_report import written
from healix_fhir.model.json import encode as json

Json = dict[str, Any]


def edition(**more: Any) -> Edition:
    """A signed report whose findings are long."""
    plain: Json = {"id": "r", "status": "final", "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:2.25.1"}]}
    report = written(plain | more, {"findings": "\n".join(["word " * 700] * 4), "impression": "End."}, "final")
    return Edition(report, {"id": "p"}, {}, datetime(2026, 3, 1, tzinfo=UTC), UTC, study=Study("1.2.3", {}))


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_of_it_is_printed(language: str) -> None:
    """In the report's language, where words are known in it; nothing is cut."""
    blocks = document(edition(language=f"{language}-XX")).blocks
    texts = [one.text for one in blocks if isinstance(one, Paragraph)]
    assert sum(text.count("word") for text in texts) == 2800
    assert max(map(len, texts)) < 4000
    say = words("imaging", language)
    assert [one.text for one in blocks if isinstance(one, Heading)] == [say["findings"], say["impression"]]


def test_the_structured_report_of_a_bare_study() -> None:
    """What the study lacks is there and empty; all of the text is in it."""
    made = structured(edition(), Study("1.2.3", {}))
    assert [made[tag] for tag in ("00100010", "00080050")] == [{"vr": "PN"}, {"vr": "SH"}]
    (content,) = encode(read(json(made)), lambda *_: pytest.fail("no bulk data"))
    assert isinstance(content, bytes)
    assert content.count(b"word") == 2800
    assert content.index(b"ISO_IR 192") < 40


def test_who_signed_is_nobody_else() -> None:
    """Where the Practitioner who signed is gone, another who interpreted did not verify it."""
    readers = [{"reference": "Practitioner/a"}, {"reference": "Practitioner/gone"}]
    known = {"Practitioner/a": {"name": [{"family": "Other"}]}}
    made = msgspec.structs.replace(edition(resultsInterpreter=readers), known=known)
    assert made.study is not None
    told = json(structured(made, made.study)).decode()
    assert ("Other" in told, "VERIFIED" in told, "UNVERIFIED" in told) == (False, True, True)
    assert not [one for one in document(made).blocks if isinstance(one, Paragraph) and "Other" in one.text]
