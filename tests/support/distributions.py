"""Small distributions of code systems in the formats of their publishers; the codes are made up."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

SCT = "Snapshot/Terminology/sct2_{}_INT_20240101.txt"
REFSET = "Snapshot/Refset/{}_INT_20240101.txt"
MODULE = "900000000000207008"
NAME, SYNONYM = "900000000000003001", "900000000000013009"
US = "900000000000509007"
PREFERRED, ACCEPTABLE = "900000000000548007", "900000000000549004"

CSV = {
    "codes.csv": "\ufeffcode,display,parent,definition,inactive,abstract,display:de,colour\n"
    "a,Alpha,,First,,true,,\n"
    'b,"Beta, or ""b""",a,,false,,Beta (deutsch),red\n'
    "c,Gamma,a;b,,true,,,\n"
}

ORDER = {
    "icd10cm_order_2024.txt": "".join(
        f"{n:05} {code:<7} {valid} {short:<60} {long}\n"
        for n, (code, valid, short, long) in enumerate(
            [
                ("X00", 0, "Made-up dis", "Made-up disease"),
                ("X000", 0, "Made-up dis, mild", "Made-up disease, mild"),
                ("X0001", 1, "Mild dis, left", "Mild made-up disease, left"),
                ("X0011XA", 1, "Dis, init", "Made-up disease, initial encounter"),
                ("Y01", 1, "Another", "Another"),
            ],
            1,
        )
    )
}

CLAML = {
    "icd10.xml": """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE ClaML SYSTEM "ClaML.dtd">
<ClaML version="2.0.0">
<Meta name="lang" value="en"/>
<Title name="ICD-10" date="2024-01-01" version="2019">Made up</Title>
<Modifier code="M1"/>
<ModifierClass modifier="M1" code=".0"><SuperClass code="M1"/>
 <Rubric kind="preferred"><Label xml:lang="en">mild</Label></Rubric></ModifierClass>
<ModifierClass modifier="M1" code=".1"><SuperClass code="M1"/>
 <Rubric kind="preferred"><Label xml:lang="en">severe</Label></Rubric></ModifierClass>
<Class code="I" kind="chapter"><Rubric kind="preferred"><Label xml:lang="en">Chapter</Label></Rubric></Class>
<Class code="A00-A09" kind="block"><SuperClass code="I"/>
 <Rubric kind="preferred"><Label xml:lang="en">Block</Label></Rubric></Class>
<Class code="A00" kind="category"><SuperClass code="A00-A09"/>
 <Rubric kind="preferred"><Label xml:lang="en">Made-up
   <Term class="x">fever</Term></Label></Rubric>
 <Rubric kind="inclusion"><Label xml:lang="en">Fever of the made-up</Label></Rubric>
 <Rubric kind="definition"><Label xml:lang="en">What nobody has</Label></Rubric>
 <ModifiedBy code="M1"/></Class>
<Class code="A01" kind="category"><SuperClass code="A00-A09"/>
 <Rubric kind="preferred"><Label xml:lang="en">Other</Label></Rubric>
 <ModifiedBy code="M1"><ValidModifierClass code=".1"/></ModifiedBy></Class>
</ClaML>
"""
}


def _rrf(*rows: tuple[str, ...]) -> str:
    return "".join("|".join(row) + "|\n" for row in rows)


def _name(code: str, source: str, kind: str, text: str, suppress: str = "N") -> tuple[str, ...]:
    return (code, "ENG", *[""] * 9, source, kind, "", text, "", suppress, "")


RXNORM = {
    "RxNorm_full_01022024/rrf/RXNCONSO.RRF": _rrf(
        _name("1", "RXNORM", "SY", "Stuff, pure"),
        _name("1", "RXNORM", "IN", "Stuff"),
        _name("1", "MTHSPL", "SU", "STUFF OF ANOTHER SOURCE"),
        _name("2", "RXNORM", "SCD", "Stuff 5 MG Oral Tablet"),
        _name("3", "RXNORM", "BN", "Old Brand", "O"),
    ),
    "RxNorm_full_01022024/rrf/RXNREL.RRF": _rrf(
        ("1", "", "CUI", "RO", "2", "", "CUI", "has_ingredient", "9", "", "RXNORM", "RXNORM", "", "", "", ""),
        ("1", "", "CUI", "RO", "2", "", "CUI", "x", "9", "", "OTHER", "OTHER", "", "", "", ""),
    ),
    "RxNorm_full_01022024/rrf/RXNSTY.RRF": _rrf(("1", "T1", "A1", "Organic Chemical", "AT1", "")),
}

LOINC = {
    "LoincTable/Loinc.csv": "LOINC_NUM,COMPONENT,PROPERTY,TIME_ASPCT,SYSTEM,SCALE_TYP,METHOD_TYP,CLASS,STATUS,"
    "SHORTNAME,LONG_COMMON_NAME\n"
    '"1-8","Stuff","MCnc","Pt","Ser","Qn","","CHEM","ACTIVE","Stuff SerPl-mCnc","Stuff [Mass/volume] in Serum"\n'
    '"2-6","Old stuff","MCnc","Pt","Ser","Qn","","CHEM","DEPRECATED","","Old stuff"\n',
    "AccessoryFiles/PartFile/Part.csv": "PartNumber,PartTypeName,PartName,PartDisplayName,Status\n"
    "LP1-1,COMPONENT,Stuff,Stuff shown,ACTIVE\n",
    "AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv": "PATH_TO_ROOT,SEQUENCE,"
    "IMMEDIATE_PARENT,CODE,CODE_TEXT\n,1,,LP0-0,Laboratory\nLP0-0,1,LP0-0,LP1-1,Stuff\nLP0-0.LP1-1,1,LP1-1,1-8,Stuff\n",
    "AccessoryFiles/AnswerFile/AnswerList.csv": "AnswerListId,AnswerListName,AnswerStringId,DisplayText\n"
    "LL1-1,Yes or no,LA1-1,Yes\nLL1-1,Yes or no,LA2-2,No\n",
    "AccessoryFiles/AnswerFile/LoincAnswerListLink.csv": "LoincNumber,AnswerListId\n1-8,LL1-1\n",
    "AccessoryFiles/LinguisticVariants/deDE15LinguisticVariant.csv": "LOINC_NUM,LONG_COMMON_NAME\n"
    "1-8,Zeug [Masse/Volumen] im Serum\n",
}


def _tabbed(header: str, *rows: tuple[str, ...]) -> str:
    return "".join("\t".join(row) + "\r\n" for row in (tuple(header.split()), *rows))


def _about(id_: str, active: str = "1") -> tuple[str, str, str, str]:
    return (id_, "20240101", active, MODULE)


DESCRIPTION = "id effectiveTime active moduleId conceptId languageCode typeId term caseSignificanceId"
RELATIONSHIP = (
    "id effectiveTime active moduleId sourceId destinationId relationshipGroup typeId characteristicTypeId modifierId"
)

SNOMED = {
    SCT.format("Concept_Snapshot"): _tabbed(
        "id effectiveTime active moduleId definitionStatusId",
        (*_about("10"), "900000000000074008"),
        (*_about("20"), "900000000000074008"),
        (*_about("30"), "900000000000073002"),
        (*_about("40"), "900000000000074008"),
        (*_about("50", "0"), "900000000000074008"),
    ),
    SCT.format("Description_Snapshot-en"): _tabbed(
        DESCRIPTION,
        (*_about("1"), "10", "en", NAME, "Root (root)", "x"),
        (*_about("2"), "30", "en", NAME, "Fever (finding)", "x"),
        (*_about("3"), "30", "en", SYNONYM, "Pyrexia", "x"),
        (*_about("4"), "30", "en", SYNONYM, "Fever", "x"),
        (*_about("5", "0"), "30", "en", SYNONYM, "Wrong", "x"),
        (*_about("6"), "20", "en", NAME, "Finding (finding)", "x"),
        (*_about("7"), "50", "en", NAME, "Gone (finding)", "x"),
    ),
    SCT.format("TextDefinition_Snapshot-en"): _tabbed(
        DESCRIPTION, (*_about("8"), "30", "en", "900000000000550004", "A high temperature.", "x")
    ),
    SCT.format("Relationship_Snapshot"): _tabbed(
        RELATIONSHIP,
        (*_about("1"), "20", "10", "0", "116680003", "x", "x"),
        (*_about("2"), "30", "20", "0", "116680003", "x", "x"),
        (*_about("3"), "30", "40", "0", "116680003", "x", "x"),
        (*_about("4"), "40", "10", "0", "116680003", "x", "x"),
        (*_about("5"), "30", "40", "1", "363698007", "x", "x"),
        (*_about("6", "0"), "40", "30", "0", "116680003", "x", "x"),
    ),
    SCT.format("RelationshipConcreteValues_Snapshot"): _tabbed(
        RELATIONSHIP.replace("destinationId", "value"), (*_about("7"), "30", "#38.5", "0", "99", "x", "x")
    ),
    REFSET.format("Language/der2_cRefset_LanguageSnapshot-en"): _tabbed(
        "id effectiveTime active moduleId refsetId referencedComponentId acceptabilityId",
        (*_about("1"), US, "4", PREFERRED),
        (*_about("2"), US, "3", ACCEPTABLE),
    ),
    REFSET.format("Content/der2_Refset_SimpleSnapshot"): _tabbed(
        "id effectiveTime active moduleId refsetId referencedComponentId", (*_about("1"), "700", "30")
    ),
}

DISTRIBUTIONS: Mapping[str, Mapping[str, str]] = {
    "csv": CSV, "icd10cm": ORDER, "claml": CLAML, "rxnorm": RXNORM, "loinc": LOINC, "snomed": SNOMED,
}  # fmt: skip


def folder(directory: Path, files: Mapping[str, str]) -> Path:
    """The files in a folder."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="")
    return directory


def zipped(path: Path, files: Mapping[str, str]) -> Path:
    """The files in a zip file."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path
