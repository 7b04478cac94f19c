"""A code system of one's own in a CSV file.

The first line names the columns: `code` is needed; `display`, `definition`, `parent` (several parted by `;`),
`inactive`, `abstract` (true or false) and `display:LANGUAGE` are what they say; any other column is a property.

Spec: RFC 4180
"""

from __future__ import annotations

from healix_fhir.terminology.content import Contents
from healix_fhir.terminology.loading.distribution import Distribution
from healix_fhir.terminology.loading.format import Format, Wanted, contents
from healix_fhir.terminology.loading.gathered import Concept, Gathered

FILE = r"\.csv$"
OWN = frozenset({"code", "display", "definition", "parent", "inactive", "abstract"})
FLAGS = {"": False, "false": False, "true": True}
LANGUAGE = "display:"


def read(files: Distribution, wanted: Wanted) -> Contents:
    """The code system. Raises Invalid with file and line."""
    name = files.one(FILE, "a CSV file")
    found = Gathered()
    places: dict[str, int] = {}
    for line, row in files.table(name, "code"):
        concept = found.add(row["code"])
        if concept is None or not row["code"].strip():
            raise files.wrong(name, line, f"the code '{row['code'][:100]}' stands here again" if concept is None
                              else "there is no code")  # fmt: skip
        places[concept.code] = line
        concept.display, concept.definition = row.get("display") or None, row.get("definition") or None
        for parent in filter(None, map(str.strip, (row.get("parent") or "").split(";"))):
            concept.below(parent)
        concept.inactive = _flag(files, name, line, row, "inactive")
        concept.abstract = _flag(files, name, line, row, "abstract")
        _further(concept, row)
    for concept in found:
        for parent in concept.parents:
            if parent not in found:
                raise files.wrong(name, places[concept.code], f"the parent '{parent[:100]}' does not stand in the file")
    return contents(found, wanted, hierarchical=any(concept.parents for concept in found))


def _flag(files: Distribution, name: str, line: int, row: dict[str, str], column: str) -> bool:
    text = row.get(column, "").strip().lower()
    if text not in FLAGS:
        raise files.wrong(name, line, f"{column} is true or false, not '{text[:20]}'")
    return FLAGS[text]


def _further(concept: Concept, row: dict[str, str]) -> None:
    for column, value in row.items():
        if column.startswith(LANGUAGE):
            concept.named(value, column.removeprefix(LANGUAGE))
        elif column not in OWN:
            concept.has(column, value)


CSV = Format("csv", "a CSV file with a column code", (FILE,), read)
