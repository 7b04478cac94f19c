"""Searching. Spec: PS3.18 10.6 and 8.3.4 (2024d)"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from conformance.check import Check, expect
from conformance.imaging.image import NAME, PATIENT, Image
from conformance.imaging.storing import store, stored
from conformance.target import Target

JSON = {"Accept": "application/dicom+json"}
STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"


def found(target: Target, query: str) -> list[dict[str, Any]]:
    """The matches of a search."""
    answer = target.ask("GET", f"/dicomweb/{query}", headers=JSON)
    expect(answer.status == 200, f"{query} answered {answer.status}")
    matches: list[dict[str, Any]] = answer.json()
    return matches


def uids(target: Target, query: str, tag: str) -> list[str]:
    """The UIDs of what is found."""
    return [one[tag]["Value"][0] for one in found(target, query)]


def every_level(target: Target) -> None:
    """Studies, series and instances are found at the addresses of Table 10.6.1-1."""
    one = stored(target)
    study = f"studies/{one.study}"
    for query, tag, uid in (
        (f"studies?StudyInstanceUID={one.study}", STUDY, one.study),
        (f"{study}/series", SERIES, one.series),
        (f"{study}/series/{one.series}/instances", INSTANCE, one.instance),
        (f"{study}/instances", INSTANCE, one.instance),
        (f"series?SeriesInstanceUID={one.series}", SERIES, one.series),
        (f"instances?SOPInstanceUID={one.instance}", INSTANCE, one.instance),
    ):
        expect(uids(target, query, tag) == [uid], f"{query} does not find it")


def matching(target: Target) -> None:
    """Keywords and tags, wildcards, ranges, names without regard to case, lists of UIDs; other values do not match."""
    one = stored(target)
    key = f"&StudyInstanceUID={one.study}"
    for query in (
        f"PatientID={PATIENT}",
        f"00100020={PATIENT}",
        "PatientID=conform*",
        "PatientID=conformance-imag%3F",
        f"PatientName={quote(NAME.lower())}",
        "PatientName=Conform*",
        "StudyDate=20240102",
        "StudyDate=20240101-20240103",
        "StudyDate=-20240102",
        "StudyDate=20240102-",
        "AccessionNumber=CONF1",
        "ModalitiesInStudy=OT",
        "StudyID=",
    ):
        expect(uids(target, f"studies?{query}{key}", STUDY) == [one.study], f"{query} does not find it")
    for query in ("PatientID=conformance", "StudyDate=20240103-", "ModalitiesInStudy=CT", "PatientName=Conformance"):
        expect(uids(target, f"studies?{query}{key}", STUDY) == [], f"{query} finds it")


def fuzzy(target: Target) -> None:
    """With fuzzymatching a part of a name finds it, or the server warns that it does not do that."""
    one = stored(target)
    query = f"studies?PatientName=Healix&fuzzymatching=true&StudyInstanceUID={one.study}"
    answer = target.ask("GET", f"/dicomweb/{query}", headers=JSON)
    expect(answer.status == 200, f"answered {answer.status}")
    found_uids = [match[STUDY]["Value"][0] for match in answer.json()]
    expect(found_uids == [one.study] or "299" in answer.headers.get("warning", ""), "neither found nor warned")


def spelled(target: Target) -> None:
    """The names of parameters that are no attributes, and `true` and `all`, are not case-sensitive: the grammar writes
    them without `%s`.
    """
    one = stored(target)
    query = f"studies?PatientName=Healix&FuzzyMatching=TRUE&includeField=ALL&Limit=1&StudyInstanceUID={one.study}"
    answer = target.ask("GET", f"/dicomweb/{query}", headers=JSON)
    expect(answer.status == 200, f"answered {answer.status}")
    expect([match[STUDY]["Value"][0] for match in answer.json()] == [one.study], "it is not found")
    expect("not supported" not in answer.headers.get("warning", ""), "one of them was ignored")


def lists(target: Target) -> None:
    """A list of UIDs finds each."""
    one, other = stored(target), Image()
    expect(store(target, [other.file]).status == 200, "storing failed")
    listed = quote(f"{one.study},{other.study}", safe="")
    found_uids = uids(target, f"studies?StudyInstanceUID={listed}", STUDY)
    expect(set(found_uids) == {one.study, other.study}, "a list with a comma does not find both")


def backwards(target: Target) -> None:
    """Nothing is within a range that ends before it begins, which viewers ask for too."""
    expect(found(target, "studies?StudyDate=20270101-20261130") == [], "something is found")


def unheard(target: Target) -> None:
    """An attribute that the server has never heard of is not returned, and no reason to refuse the search."""
    one = stored(target)
    (match,) = found(target, f"studies?StudyInstanceUID={one.study}&includefield=OfALaterEdition,StudyDescription")
    expect(match[STUDY]["Value"] == [one.study], "it is not found")


def returned(target: Target) -> None:
    """A match has the attributes of Table 10.6.3-3, and further ones with includefield."""
    one = stored(target)
    (plain,) = found(target, f"studies?StudyInstanceUID={one.study}")
    for tag in ("00080020", "00080030", "00080050", "00080061", "00080090", "00100010", "00100020", "00100030",
                "00100040", "0020000D", "00200010", "00201206", "00201208"):  # fmt: skip
        expect(tag in plain, f"{tag} is not returned")
    (asked,) = found(target, f"instances?SOPInstanceUID={one.instance}&includefield=all")
    for tag in ("00080016", "00080018", "00200013", "00280010", "00280011", "00280100"):
        expect(tag in asked, f"{tag} is not returned with includefield=all")


def returned_of_a_study(target: Target) -> None:
    """The instances of a study have the attributes of their series, which those of a series do not repeat."""
    one = stored(target)
    of_series = ("00080060", "00200011", "00201209")
    (found_one,) = found(target, f"studies/{one.study}/instances")
    for tag in of_series:
        expect(tag in found_one, f"{tag} is not returned")


def paging(target: Target) -> None:
    """`limit` and `offset` walk over the matches without repeating one; Warning 299 where there are more."""
    one = Image()
    files = [one.file, Image(one.study).file, Image(one.study).file]
    expect(store(target, files).status == 200, "storing failed")
    seen: list[str] = []
    for offset in range(10):
        answer = target.ask("GET", f"/dicomweb/studies/{one.study}/series?limit=1&offset={offset}", headers=JSON)
        page = answer.json()
        if not page:
            break
        seen.append(page[0][SERIES]["Value"][0])
    expect(len(seen) == len(set(seen)) == len(files), f"{len(seen)} pages, {len(set(seen))} series")
    first = target.ask("GET", f"/dicomweb/studies/{one.study}/series?limit=1", headers=JSON)
    expect(first.headers.get("warning", "").startswith("299 "), "no warning that there are more")


def in_xml(target: Target) -> None:
    """Matches as parts in XML where asked."""
    headers = {"Accept": 'multipart/related; type="application/dicom+xml"'}
    answer = target.ask("GET", f"/dicomweb/studies?StudyInstanceUID={stored(target).study}", headers=headers)
    expect(answer.headers["content-type"].startswith("multipart/related"), "no multipart")
    expect(answer.body.count(b"<NativeDicomModel") == 1, "not one model")


def refused(target: Target) -> None:
    """What is malformed is 400; what cannot be had is 406."""
    for query in ("limit=x", "StudyDate=yesterday", "StudyInstanceUID=1.2..3"):
        expect(target.ask("GET", f"/dicomweb/studies?{query}").status == 400, f"{query} is not refused")
    expect(target.ask("GET", "/dicomweb/studies", headers={"Accept": "image/png"}).status == 406, "not 406")


CHECKS = (
    Check("PS3.18 10.6.1", "every level is searched at its addresses", every_level),
    Check("PS3.18 8.3.4.1", "attributes match as PS3.4 says", matching),
    Check("PS3.18 8.3.4.2", "names match fuzzily", fuzzy),
    Check("PS3.18 8.3.4.1", "a list of UIDs finds each", lists),
    Check("PS3.18 8.3.4; PS3.18 8.3.4.2", "parameters are read without regard to case", spelled),
    Check("PS3.18 8.3.4.1; PS3.4 C.2.2.2.5", "a range that ends before it begins holds nothing", backwards),
    Check("PS3.18 8.3; PS3.18 8.3.4.3", "unknown attributes are not returned", unheard),
    Check("PS3.18 10.6.3.3; PS3.18 8.3.4.3", "matches have their attributes", returned),
    Check("PS3.18 10.6.3.3", "instances of a study have the attributes of their series", returned_of_a_study),
    Check("PS3.18 8.3.4.4", "limit and offset page through the matches", paging),
    Check("PS3.18 10.6.3", "matches are XML where asked", in_xml),
    Check("PS3.18 10.6.2", "malformed searches are refused", refused),
)
