"""Code systems as they are read from the files of their publishers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.terminology.content import Contents, Entry, Property
from healix_fhir.terminology.loading.distribution import Distribution
from healix_fhir.terminology.loading.format import Wanted
from healix_fhir.terminology.loading.formats import FORMATS
from tests.support.distributions import CLAML, CSV, DISTRIBUTIONS, LOINC, ORDER, RXNORM, SCT, SNOMED, folder, zipped

MINE = Wanted("urn:mine", "7", "Mine")


def read(kind: str, path: Path, wanted: Wanted = Wanted()) -> Contents:  # noqa: B008 - a value
    """A code system."""
    return FORMATS[kind].read(Distribution(path), wanted)


def entries(kind: str, directory: Path, files: Mapping[str, str], wanted: Wanted = MINE) -> dict[str, Entry]:
    """The entries by code."""
    return {entry.code: entry for entry in read(kind, folder(directory, files), wanted).entries}


@pytest.mark.parametrize(
    ("kind", "url", "version"),
    [
        ("icd10cm", "http://hl7.org/fhir/sid/icd-10-cm", "2024"),
        ("claml", "http://hl7.org/fhir/sid/icd-10", "2019"),
        ("snomed", "http://snomed.info/sct", "http://snomed.info/sct/900000000000207008/version/20240101"),
    ],
)
def test_what_files_say_of_themselves(tmp_path: Path, kind: str, url: str, version: str) -> None:
    """Url and version are those of the files, unless the operator says others."""
    path = folder(tmp_path, DISTRIBUTIONS[kind])
    assert (read(kind, path).heading.url, read(kind, path).heading.version) == (url, version)
    assert (read(kind, path, MINE).heading.url, read(kind, path, MINE).heading.version) == ("urn:mine", "7")


@pytest.mark.parametrize(
    ("kind", "name", "version"), [("loinc", "Loinc_2.77", "2.77"), ("rxnorm", "RxNorm_full_01022024.zip", "20240102")]
)
def test_versions_in_names(tmp_path: Path, kind: str, name: str, version: str) -> None:
    """Where only the distribution's name says the version, it is taken from there."""
    make: Callable[[Path, Mapping[str, str]], Path] = zipped if name.endswith(".zip") else folder
    assert read(kind, make(tmp_path / name, DISTRIBUTIONS[kind])).heading.version == version
    with pytest.raises(HealixError, match="--version"):
        read(kind, make(tmp_path / "unnamed", DISTRIBUTIONS[kind]))


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_folders_and_zip_files(tmp_path: Path, kind: str) -> None:
    """A zip file gives the same as the folder that is in it; so does a lone file."""
    files = DISTRIBUTIONS[kind]
    whole = read(kind, folder(tmp_path / "folder", files), MINE)
    assert read(kind, zipped(tmp_path / "x.zip", files), MINE) == whole
    if len(files) == 1:
        assert read(kind, tmp_path / "folder" / next(iter(files)), MINE) == whole


def test_csv(tmp_path: Path) -> None:
    """Columns of their own meaning are read as such, all others are properties."""
    found = entries("csv", tmp_path, CSV)
    assert (found["a"].display, found["a"].definition, found["a"].abstract) == ("Alpha", "First", True)
    assert (found["b"].display, found["b"].parents) == ('Beta, or "b"', ("a",))
    assert [(one.language, one.value) for one in found["b"].designations] == [("de", "Beta (deutsch)")]
    assert found["b"].properties == (Property("colour", "string", "red"),)
    assert (found["c"].parents, found["c"].inactive) == (("a", "b"), True)


def test_icd10cm(tmp_path: Path) -> None:
    """Codes have their dot, stand below the longest code that they begin with, and keep both names."""
    found = entries("icd10cm", tmp_path, ORDER)
    assert {code: entry.parents for code, entry in found.items()} == {
        "X00": (), "X00.0": ("X00",), "X00.01": ("X00.0",), "X00.11XA": ("X00",), "Y01": (),
    }  # fmt: skip
    assert found["X00.01"].display == "Mild made-up disease, left"
    assert [one.value for one in found["X00.01"].designations] == ["Mild dis, left"]
    assert Property("billable", "boolean", "false") in found["X00.0"].properties
    assert found["Y01"].designations == ()


def test_claml(tmp_path: Path) -> None:
    """Chapters and blocks are abstract, rubrics are names, and modifiers make the codes that are valid."""
    found = entries("claml", tmp_path, CLAML)
    assert {code: entry.parents for code, entry in found.items()} == {
        "I": (), "A00-A09": ("I",), "A00": ("A00-A09",), "A01": ("A00-A09",),
        "A00.0": ("A00",), "A00.1": ("A00",), "A01.1": ("A01",),
    }  # fmt: skip
    assert [code for code, entry in found.items() if entry.abstract] == ["I", "A00-A09"]
    assert (found["A00"].display, found["A00"].definition) == ("Made-up fever", "What nobody has")
    assert [one.value for one in found["A00"].designations] == ["Fever of the made-up"]
    assert found["A01.1"].display == "Other: severe"


@pytest.mark.spec("FHIR R4 rxnorm.html")
def test_rxnorm(tmp_path: Path) -> None:
    """Concepts are those of RxNorm itself, with their term types, and relationships as properties."""
    found = entries("rxnorm", tmp_path, RXNORM)
    assert [(entry.display, entry.inactive) for entry in found.values()] == [
        ("Stuff", False), ("Stuff 5 MG Oral Tablet", False), ("Old Brand", True)]  # fmt: skip
    assert [one.value for one in found["1"].designations] == ["Stuff, pure"]
    assert found["1"].properties == (Property("TTY", "string", "IN"), Property("STY", "string", "Organic Chemical"))
    assert Property("has_ingredient", "code", "1") in found["2"].properties
    assert "x" not in {one.code for one in found["2"].properties}


@pytest.mark.spec("FHIR R4 loinc.html")
def test_loinc(tmp_path: Path) -> None:
    """Terms have their axes as properties; parts, hierarchy, answers and translations are read where they are there."""
    found = entries("loinc", tmp_path, LOINC)
    term = found["1-8"]
    assert (term.display, term.parents) == ("Stuff [Mass/volume] in Serum", ("LP1-1",))
    assert {("COMPONENT", "Stuff"), ("STATUS", "ACTIVE"), ("answer-list", "LL1-1")} <= {
        (one.code, one.value) for one in term.properties}  # fmt: skip
    assert ("de-DE", "Zeug [Masse/Volumen] im Serum") in [(one.language, one.value) for one in term.designations]
    assert found["2-6"].inactive
    assert (found["LP1-1"].display, found["LP1-1"].parents) == ("Stuff shown", ("LP0-0",))
    assert (found["LA1-1"].display, found["LL1-1"].display) == ("Yes", "Yes or no")
    assert found["LA1-1"].properties == (Property("LIST", "code", "LL1-1"),)
    assert not read("loinc", tmp_path, MINE).heading.case_sensitive


def test_loinc_terms_alone(tmp_path: Path) -> None:
    """The table of terms is enough."""
    terms = {name: text for name, text in LOINC.items() if name.endswith("/Loinc.csv")}
    assert list(entries("loinc", tmp_path, terms)) == ["1-8", "2-6"]


@pytest.mark.spec("FHIR R4 snomedct.html")
def test_snomed(tmp_path: Path) -> None:
    """The display is the preferred synonym; is-a gives parents, attributes and reference sets are properties."""
    found = entries("snomed", tmp_path, SNOMED)
    fever = found["30"]
    assert (fever.display, fever.definition, fever.parents) == ("Fever", "A high temperature.", ("20", "40"))
    assert [one.value for one in fever.designations] == ["Fever (finding)", "Pyrexia", "Fever"]
    assert {("363698007", "code", "40"), ("99", "decimal", "38.5"), ("refset", "code", "700"),
            ("sufficientlyDefined", "boolean", "true")} <= {
        (one.code, one.type, one.value) for one in fever.properties}  # fmt: skip
    assert (found["20"].display, found["40"].display) == ("Finding (finding)", None)
    assert [code for code, entry in found.items() if entry.inactive] == ["50"]


CONCEPTS = SCT.format("Concept_Snapshot")


@pytest.mark.parametrize(
    ("kind", "name", "old", "new", "reason"),
    [
        ("csv", "codes.csv", "\nc,", "\na,", "codes.csv, line 4: the code 'a' stands here again"),
        ("csv", "codes.csv", "\nc,", "\n,", "codes.csv, line 4: there is no code"),
        ("csv", "codes.csv", ",a;b,", ",a;z,", "codes.csv, line 4: the parent 'z'"),
        ("csv", "codes.csv", ",true,,,\n", ",perhaps,,,\n", "codes.csv, line 4: inactive is true or false"),
        ("csv", "codes.csv", "code,display", "kode,display", "codes.csv, line 1: there is no column code"),
        ("csv", "codes.csv", "c,Gamma,", "c,Gamma,,,,,,,,,", "codes.csv, line 4: the row has more or fewer"),
        ("csv", "codes.csv", "Gamma", "Gam\0ma", "codes.csv, line 4: this is no text"),
        ("csv", "codes.csv", '"Beta', 'x"Beta', "codes.csv, line 3"),
        ("icd10cm", "icd10cm_order_2024.txt", "00003 X0001", "00003 x0001", "line 3: this is no line"),
        ("icd10cm", "icd10cm_order_2024.txt", "X0001  ", "X000   ", "line 3: the code X000 stands here again"),
        ("claml", "icd10.xml", "</ClaML>", "", "icd10.xml, line"),
        ("claml", "icd10.xml", 'code="A01"', 'code="A00"', "icd10.xml, line 20: the class A00 stands here again"),
        ("claml", "icd10.xml", '"A01" kind="category"><SuperClass code="A00-A09"', '"A01"><SuperClass code="Z"', "Z"),
        ("claml", "icd10.xml", 'SYSTEM "ClaML.dtd"', '[<!ENTITY a "b">]', "line 2: entities are not read"),
        ("rxnorm", "RxNorm_full_01022024/rrf/RXNREL.RRF", "|RO|2|", "|RO|2", "line 1: a row has 16 values, not 15"),
        ("loinc", "LoincTable/Loinc.csv", '"2-6"', '"1-8"', "LoincTable/Loinc.csv, line 3"),
        ("loinc", "LoincTable/Loinc.csv", "LONG_COMMON_NAME", "X", "there is no column LONG_COMMON_NAME"),
        ("snomed", CONCEPTS, "\r\n40\t", "\r\n30\t", "line 5: the concept 30 stands here again"),
        ("snomed", CONCEPTS, "definitionStatusId", "x", "line 1: the columns are not those of RF2"),
        ("snomed", CONCEPTS, "30\t20240101\t", "30\t", "line 4: a row has 5 values, not 4"),
        ("snomed", SCT.format("Relationship_Snapshot"), "20\t10\t", "20\t11\t", "line 2: the concept 11"),
    ],
)  # fmt: skip
def test_files_that_are_wrong(tmp_path: Path, kind: str, name: str, old: str, new: str, reason: str) -> None:
    """What is wrong is told with file and line."""
    files = dict(DISTRIBUTIONS[kind])
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)
    with pytest.raises(HealixError) as caught:
        read(kind, folder(tmp_path, files), MINE)
    assert caught.value.category is Category.INVALID
    assert reason in caught.value.message


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_files_that_are_not_there(tmp_path: Path, kind: str) -> None:
    """A folder without the files of a format is refused, and so is a path that leads nowhere."""
    with pytest.raises(HealixError) as caught:
        read(kind, folder(tmp_path, {"other.bin": "x"}), MINE)
    assert caught.value.category is Category.INVALID
    with pytest.raises(HealixError, match="there is no file"):
        read(kind, tmp_path / "none", MINE)


def test_what_is_no_utf8(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are told with their line."""
    (tmp_path / "codes.csv").write_bytes(b"code,display\na,\xff\n")
    with pytest.raises(HealixError, match=r"codes.csv, line 2: this is no text in UTF-8"):
        read("csv", tmp_path, MINE)
