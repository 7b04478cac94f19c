"""RxNorm from its RRF files: concepts are RXCUIs; relationships between them are properties, since none subsumes.

Spec: NLM, RxNorm technical documentation (RXNCONSO, RXNREL, RXNSTY); FHIR R4, hl7.org/fhir/R4/rxnorm.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from healix_fhir.terminology.content import Contents
from healix_fhir.terminology.loading.distribution import Distribution
from healix_fhir.terminology.loading.format import Format, Wanted, contents
from healix_fhir.terminology.loading.gathered import Concept, Gathered

URL = "http://www.nlm.nih.gov/research/umls/rxnorm"
NAMES, RELATIONS, TYPES = (rf"(^|/)RXN{name}\.RRF$" for name in ("CONSO", "REL", "STY"))
OWN = "RXNORM"
SYNONYMS = frozenset({"SY", "TMSY", "ET"})
"""Term types of further names."""
OBSOLETE = frozenset({"O", "Y"})
"""Values of SUPPRESS of what is not to be used any more."""
RELEASED = re.compile(r"(\d{2})(\d{2})(\d{4})")


def read(files: Distribution, wanted: Wanted) -> Contents:
    """The code system. Raises Invalid with file and line."""
    found = Gathered()
    name = files.one(NAMES, "RXNCONSO.RRF")
    for _, row in _rows(files, name, 18):
        code, language, source, kind, text, suppressed = row[0], row[1], row[11], row[12], row[14], row[16]
        if source == OWN:
            _name(found.obtain(code), kind, text, language, suppressed in OBSOLETE)
    for concept in found:
        if concept.display is None:
            concept.display = concept.designations[0].value if concept.designations else None
    for relations in files.find(RELATIONS):
        for _, row in _rows(files, relations, 16):
            if row[10] == OWN and row[0] and row[4] and (of := found.get(row[4])) is not None:
                of.has(row[7] or row[3], row[0], "code")
    for types in files.find(TYPES):
        for _, row in _rows(files, types, 6):
            if (of := found.get(row[0])) is not None:
                of.has("STY", row[3])
    released = RELEASED.search(files.path.name)
    version = "".join((released[3], released[1], released[2])) if released else None
    return contents(found, wanted, url=URL, version=version, name="RxNorm", hierarchical=False)


def _name(concept: Concept, kind: str, text: str, language: str, obsolete: bool) -> None:
    """A name of a concept: its normal form is the display, whatever comes first."""
    if kind in SYNONYMS or concept.display is not None:
        concept.named(text, "en" if language == "ENG" else None)
    else:
        concept.display = text
        concept.inactive = obsolete
        concept.has("TTY", kind)
        return
    if kind not in SYNONYMS and ("TTY", kind) not in ((one.code, one.value) for one in concept.properties):
        concept.has("TTY", kind)


def _rows(files: Distribution, name: str, columns: int) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file: values parted by bars, one behind the last too."""
    for line, text in files.lines(name):
        row = text.rstrip("\r\n").split("|")
        if len(row) != columns + 1:
            raise files.wrong(name, line, f"a row has {columns} values, not {len(row) - 1}")
        yield line, row


RXNORM = Format("rxnorm", "RxNorm, its RRF files", (NAMES, RELATIONS, TYPES), read)
