"""LOINC from its CSV files: the terms, and where the distribution has them parts, hierarchy, answers and translations.

Spec: LOINC Users' Guide, Appendix A (LOINC table); FHIR R4, hl7.org/fhir/R4/loinc.html
"""

from __future__ import annotations

import re

from healix_fhir.terminology.content import Contents
from healix_fhir.terminology.loading.distribution import Distribution
from healix_fhir.terminology.loading.format import Format, Wanted, contents
from healix_fhir.terminology.loading.gathered import Gathered

URL = "http://loinc.org"
TERMS = r"(^|/)Loinc\.csv$"
PARTS = r"(^|/)Part\.csv$"
HIERARCHY = r"(^|/)(ComponentHierarchyBySystem|MultiAxialHierarchy)\.csv$"
ANSWERS = r"(^|/)AnswerList\.csv$"
ANSWERED = r"(^|/)LoincAnswerListLink\.csv$"
TRANSLATIONS = r"(^|/)[a-z]{2}[A-Z]{2}\d+LinguisticVariant\.csv$"
NEEDED = ("LOINC_NUM", "COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "STATUS", "LONG_COMMON_NAME")
PROPERTIES = (
    "COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP", "CLASS", "CLASSTYPE", "STATUS",
    "ORDER_OBS", "VersionLastChanged", "VersionFirstReleased", "EXAMPLE_UCUM_UNITS", "PanelType", "UNITSREQUIRED",
)  # fmt: skip
"""Columns that become properties. Spec: FHIR R4, hl7.org/fhir/R4/loinc.html (filter properties)"""
NAMES = ("SHORTNAME", "DisplayName", "CONSUMER_NAME")
VERSION = re.compile(r"Loinc_(\d+\.\d+)", re.IGNORECASE)


def read(files: Distribution, wanted: Wanted) -> Contents:
    """The code system. Raises Invalid with file and line."""
    found = Gathered()
    _terms(files, found)
    _parts(files, found)
    _answers(files, found)
    _hierarchy(files, found)
    _translations(files, found)
    told = VERSION.search(str(files.path))
    return contents(found, wanted, url=URL, version=told[1] if told else None, name="LOINC", case_sensitive=False)


def _terms(files: Distribution, found: Gathered) -> None:
    name = files.one(TERMS, "Loinc.csv")
    for line, row in files.table(name, *NEEDED):
        concept = found.add(row["LOINC_NUM"])
        if concept is None or not row["LOINC_NUM"]:
            raise files.wrong(name, line, f"the code '{row['LOINC_NUM'][:20]}' is missing or stands here again")
        concept.display = row["LONG_COMMON_NAME"] or row["COMPONENT"]
        concept.definition = row.get("DefinitionDescription") or None
        concept.inactive = row["STATUS"] == "DEPRECATED"
        for column in NAMES:
            if row.get(column) and row[column] != concept.display:
                concept.named(row[column], "en", (URL, column, column))
        for column in PROPERTIES:
            concept.has(column, row.get(column, ""))


def _parts(files: Distribution, found: Gathered) -> None:
    for name in files.find(PARTS):
        for _, row in files.table(name, "PartNumber", "PartTypeName", "PartName", "PartDisplayName", "Status"):
            concept = found.obtain(row["PartNumber"])
            concept.display = row["PartDisplayName"] or row["PartName"]
            concept.inactive = row["Status"] == "DEPRECATED"
            concept.has("PartTypeName", row["PartTypeName"])
            concept.has("STATUS", row["Status"])


def _answers(files: Distribution, found: Gathered) -> None:
    """Lists of answers and the answers in them; which terms have a list stands in a file of its own."""
    for name in files.find(ANSWERS):
        for _, row in files.table(name, "AnswerListId", "AnswerListName", "AnswerStringId", "DisplayText"):
            listed = found.obtain(row["AnswerListId"])
            listed.display = row["AnswerListName"]
            if row["AnswerStringId"]:
                answer = found.obtain(row["AnswerStringId"])
                answer.display = row["DisplayText"]
                answer.has("LIST", listed.code, "code")
    for name in files.find(ANSWERED):
        for _, row in files.table(name, "LoincNumber", "AnswerListId"):
            if (concept := found.get(row["LoincNumber"])) is not None:
                concept.has("answer-list", row["AnswerListId"], "code")


def _hierarchy(files: Distribution, found: Gathered) -> None:
    for name in files.find(HIERARCHY):
        for _, row in files.table(name, "IMMEDIATE_PARENT", "CODE", "CODE_TEXT"):
            concept = found.obtain(row["CODE"])
            concept.display = concept.display or row["CODE_TEXT"]
            if row["IMMEDIATE_PARENT"]:
                concept.below(found.obtain(row["IMMEDIATE_PARENT"]).code)


def _translations(files: Distribution, found: Gathered) -> None:
    for name in files.find(TRANSLATIONS):
        variant = name.rpartition("/")[2]
        language = f"{variant[:2]}-{variant[2:4]}"
        for _, row in files.table(name, "LOINC_NUM"):
            concept = found.get(row["LOINC_NUM"])
            if concept is not None:
                for column in ("LONG_COMMON_NAME", "LinguisticVariantDisplayName", "SHORTNAME"):
                    concept.named(row.get(column, ""), language, (URL, column, column))


LOINC = Format("loinc", "LOINC, its CSV files", (TERMS, PARTS, HIERARCHY, ANSWERS, ANSWERED, TRANSLATIONS), read)
