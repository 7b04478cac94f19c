"""ICD-10-CM from its order file: fixed columns, each code below the longest that it begins with.

Spec: CMS, ICD-10-CM order file (columns 1-5 order, 7-13 code, 15 whether valid, 17-76 short, 78- long description);
FHIR R4, hl7.org/fhir/R4/icd.html
"""

from __future__ import annotations

import re

from healix_fhir.terminology.content import Contents
from healix_fhir.terminology.loading.distribution import Distribution
from healix_fhir.terminology.loading.format import Format, Wanted, contents
from healix_fhir.terminology.loading.gathered import Gathered

FILE = r"icd10cm[-_]order[-_].*\.txt$"
URL = "http://hl7.org/fhir/sid/icd-10-cm"
LINE = re.compile(r"(\d{5}) ([A-Z0-9]{3,7}) {1,5}([01]) (.{60}) (.+)")
YEAR = re.compile(r"order[-_](\d{4})", re.IGNORECASE)
CATEGORY = 3


def read(files: Distribution, wanted: Wanted) -> Contents:
    """The code system. Raises Invalid with file and line."""
    name = files.one(FILE, "an order file (icd10cm_order_YEAR.txt)")
    found = Gathered()
    for line, text in files.lines(name):
        match = LINE.fullmatch(text.rstrip("\r\n"))
        if match is None:
            raise files.wrong(name, line, "this is no line of an order file")
        _, plain, valid, short, long = match.groups()
        concept = found.add(_dotted(plain))
        if concept is None:
            raise files.wrong(name, line, f"the code {plain} stands here again")
        concept.display = long.strip()
        if short.strip() != concept.display:
            concept.named(short.strip(), "en")
        concept.has("billable", "true" if valid == "1" else "false", "boolean")
        shorter = (_dotted(plain[:size]) for size in range(len(plain) - 1, CATEGORY - 1, -1))
        if (parent := next((code for code in shorter if code in found), None)) is not None:
            concept.below(parent)
    year = YEAR.search(name)
    return contents(found, wanted, url=URL, version=year[1] if year else None, name="ICD10CM", case_sensitive=False)


def _dotted(code: str) -> str:
    """The code as it is written: with a dot behind its category."""
    return code if len(code) == CATEGORY else f"{code[:CATEGORY]}.{code[CATEGORY:]}"


ICD10CM = Format("icd10cm", "ICD-10-CM, its order file", (FILE,), read)
