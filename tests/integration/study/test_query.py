"""QIDO's and C-FIND's searches: matching, returned attributes, levels, paging, access."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomweb.study.parameters import parse
from dicomweb.study.query import Level, Matches, Query, count, query
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.study import SYSTEM, Store, caller

BASE = "https://example.org/dicomweb"
Params = list[tuple[str, str]]


def request(text: str) -> Dataset:
    """An item of Request Attributes Sequence."""
    item = Dataset()
    item.ScheduledProcedureStepID, item.RequestedProcedureID = f"SPS{text}", f"RP{text}"
    return item


@pytest.fixture
def filled(store: Store) -> Store:
    """Three studies of three patients."""
    store.add(
        part10(with_pixels(data_set(1, 1, 1))),
        part10(with_pixels(data_set(1, 1, 2))),
        part10(data_set(1, 2, 1, Modality="PT", RequestAttributesSequence=[request("1"), request("2")])),
        part10(
            data_set(
                2, 1, 1, StudyDate="20251231", StudyTime="235959.5", PatientID="P_2", AccessionNumber="100%",
                PatientName="Müller^Jürgen", StudyDescription=None, SpecificCharacterSet="ISO_IR 100",
            )
        ),
        part10(
            data_set(
                3, 1, 1, StudyDate=None, StudyTime=None, PatientID="P3", Modality="MR", InstitutionName="St. Healix",
                PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう", SpecificCharacterSet="ISO_IR 192",
            )
        ),
    )  # fmt: skip
    return store


def search(store: Store, level: Level, params: Params, **options: Any) -> list[dict[str, Any]]:
    """The objects found, decoded."""
    found: Matches = store.run(query(SYSTEM, parse(level, params, **options), base=BASE))
    return [json.loads(one) for one in found.objects]


def studies(store: Store, *params: tuple[str, str]) -> set[int]:
    """The numbers of the studies found."""
    return {int(one["0020000D"]["Value"][0].rpartition(".")[2]) for one in search(store, Level.STUDY, list(params))}


@pytest.mark.spec("PS3.4 C.2.2.2")
@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("PatientID", "P1", {1}),
        ("PatientID", "p1", set()),
        ("PatientID", "P_2", {2}),
        ("PatientID", "P?2", {2}),
        ("PatientID", "P_*", {2}),
        ("PatientID", "P*", {1, 2, 3}),
        ("PatientID", "*", {1, 2, 3}),
        ("PatientID", "", {1, 2, 3}),
        ("00100020", "P3", {3}),
        ("AccessionNumber", "100%", {2}),
        ("AccessionNumber", "1*%", {2}),
        ("AccessionNumber", "100", set()),
        ("StudyDescription", "ch*", set()),
        ("StudyDescription", "Ch*", {1, 3}),
        ("StudyDate", "20260102", {1}),
        ("StudyDate", "20251201-20260101", {2}),
        ("StudyDate", "20251231-", {1, 2}),
        ("StudyDate", "-20251231", {2}),
        ("StudyTime", "03-0304", {1}),
        ("StudyTime", "0305-", {2}),
        ("StudyTime", "235959", {2}),
        ("StudyTime", "-235958", {1}),
        ("StudyInstanceUID", uid(1), {1}),
        ("StudyInstanceUID", f"{uid(1)}\\{uid(3)}", {1, 3}),
        ("StudyInstanceUID", f"{uid(1)},{uid(2)}", {1, 2}),
        ("StudyInstanceUID", "1.2.3", set()),
        ("ModalitiesInStudy", "PT", {1}),
        ("ModalitiesInStudy", "MR,PT", {1, 3}),
        ("ModalitiesInStudy", "M*", {3}),
        ("PatientName", "doe^jane", {1}),
        ("PatientName", "DOE*", {1}),
        ("PatientName", "Doe", set()),
        ("PatientName", "muller^jurgen", {2}),
        ("PatientName", "山田^太郎", {3}),
        ("PatientName", "やまだ*", {3}),
        ("PatientName", "yamada^tarou=山田^太郎", {3}),
        ("PatientName", "*%*", set()),
        ("InstitutionName", "St. Healix", {3}),
        ("StudyDescription", "*hes*", {1, 3}),
        ("NumberOfStudyRelatedSeries", "2", {1}),
        ("Modality", "PT", {1}),
        ("RequestAttributesSequence.RequestedProcedureID", "RP2", {1}),
    ],
)
def test_matching(filled: Store, key: str, value: str, expected: set[int]) -> None:
    """Single values, lists, wildcards and ranges match as the standard says; names without regard to case and
    accents.
    """
    assert studies(filled, (key, value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("jane do", {1}),
        ("JAN", {1}),
        ("ane", set()),
        ("太", {3}),
        ("mull jurg", {2}),
        ("Mueller", {2}),
        ("Müll^Jü", {2}),
        ("山田太郎", {3}),
        ("ヤマダ", {3}),
    ],
)
def test_fuzzy_names(filled: Store, value: str, expected: set[int]) -> None:
    """With fuzzymatching every word begins some word of the name."""
    assert studies(filled, ("PatientName", value), ("fuzzymatching", "true")) == expected


def test_keys_are_joined_by_and(filled: Store) -> None:
    """Several keys all match."""
    assert studies(filled, ("PatientID", "P1"), ("ModalitiesInStudy", "MR")) == set()
    assert studies(filled, ("PatientID", "P*"), ("ModalitiesInStudy", "CT"), ("StudyDate", "20260102")) == {1}


@pytest.mark.spec("PS3.18 Table 10.6.3-3")
def test_a_study_has_its_return_keys(filled: Store) -> None:
    """A study is returned with every attribute of the table, also those that are empty."""
    (one,) = search(filled, Level.STUDY, [("PatientID", "P1")])
    assert one == {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080020": {"vr": "DA", "Value": ["20260102"]},
        "00080030": {"vr": "TM", "Value": ["030405"]},
        "00080050": {"vr": "SH", "Value": ["A1"]},
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
        "00080061": {"vr": "CS", "Value": ["CT", "PT"]},
        "00080090": {"vr": "PN", "Value": [{"Alphabetic": "House^Gregory"}]},
        "00080201": {"vr": "SH"},
        "00081030": {"vr": "LO", "Value": ["Chest"]},
        "00081190": {"vr": "UR", "Value": [f"{BASE}/studies/{uid(1)}"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]},
        "00100020": {"vr": "LO", "Value": ["P1"]},
        "00100030": {"vr": "DA", "Value": ["19700203"]},
        "00100040": {"vr": "CS", "Value": ["F"]},
        "0020000D": {"vr": "UI", "Value": [uid(1)]},
        "00200010": {"vr": "SH", "Value": ["S1"]},
        "00201206": {"vr": "IS", "Value": [2]},
        "00201208": {"vr": "IS", "Value": [3]},
    }


def test_a_name_is_returned_in_all_its_scripts(filled: Store) -> None:
    """All component groups come back."""
    (one,) = search(filled, Level.STUDY, [("PatientID", "P3")])
    groups = {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
    assert one["00100010"]["Value"] == [groups]


@pytest.mark.spec("PS3.18 Table 10.6.3-4")
def test_series_of_a_study(filled: Store) -> None:
    """The series of one study come in order, with counts and requests, without the study's attributes."""
    within = [("StudyInstanceUID", uid(1))]
    first, second = search(filled, Level.SERIES, [], within=within)
    assert [one["00200011"]["Value"] for one in (first, second)] == [[1], [2]]
    assert first["00201209"]["Value"] == [2]
    assert first["00081190"]["Value"] == [f"{BASE}/studies/{uid(1)}/series/{uid(1, 1)}"]
    assert "00100020" not in first
    assert [item["00400009"]["Value"] for item in second["00400275"]["Value"]] == [["SPS1"], ["SPS2"]]
    for key in ("RequestAttributesSequence.ScheduledProcedureStepID", "00400275.00400009"):
        assert search(filled, Level.SERIES, [(key, "SPS2")], within=within) == [second]


@pytest.mark.spec("PS3.18 Table 10.6.3-5")
def test_instances_of_all_studies(filled: Store) -> None:
    """A search over all instances takes keys of every level and returns the attributes of every level."""
    params = [("PatientID", "P1"), ("Modality", "CT"), ("InstanceNumber", "2")]
    (one,) = search(filled, Level.INSTANCE, params)
    assert one["00080018"]["Value"] == [uid(1, 1, 2)]
    assert (one["00280010"]["Value"], one["00280100"]["Value"]) == ([8], [16])
    assert one["00100020"]["Value"] == ["P1"]
    assert one["00081190"]["Value"][0].endswith(f"/instances/{uid(1, 1, 2)}")


@pytest.mark.spec("PS3.4 C.2.2.2.6")
@pytest.mark.parametrize(("procedure", "expected"), [("RP2", 1), ("RP1", 0)])
def test_keys_of_a_sequence_match_in_one_item(filled: Store, procedure: str, expected: int) -> None:
    """Two keys of a sequence are met by one of its items, not by several together."""
    sequence = "RequestAttributesSequence"
    params = [(f"{sequence}.ScheduledProcedureStepID", "SPS2"), (f"{sequence}.RequestedProcedureID", procedure)]
    assert len(search(filled, Level.SERIES, params)) == expected


def test_keys_of_lower_levels_match_in_one_entity(filled: Store) -> None:
    """Studies are found by what is in them: all keys of series and instances are met by one of these."""
    assert studies(filled, ("Modality", "CT"), ("SeriesNumber", "1"), ("InstanceNumber", "2")) == {1}
    assert studies(filled, ("Modality", "PT"), ("SeriesNumber", "1")) == set()


@pytest.mark.spec("PS3.18 10.6.1.2.3")
@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("20251231-20260102", "23-02", {2}),
        ("20251231-20260102", "23-04", {1, 2}),
        ("20251231-", "235959.6-", {1}),
        ("-20260102", "-0304", {1, 2}),
        ("20251231-20260102", "03-", {1, 2}),
        ("20260102", "03-", {1}),
    ],
)
def test_date_and_time_are_one_moment(filled: Store, date: str, time: str, expected: set[int]) -> None:
    """Two ranges of one form are one range of moments; other pairs are compared each for itself."""
    assert studies(filled, ("StudyDate", date), ("StudyTime", time)) == expected


@pytest.mark.spec("PS3.18 8.3.4.5")
def test_empty_values(filled: Store) -> None:
    """Two quotation marks match what is empty or absent, when that is asked for; else they are what they are."""
    assert studies(filled, ("StudyDescription", '""'), ("emptyvaluematching", "true")) == {2}
    assert studies(filled, ("StudyDate", '""'), ("emptyvaluematching", "true")) == {3}
    assert studies(filled, ("StudyDescription", '""')) == set()


@pytest.mark.spec("PS3.18 8.3.4.6")
def test_multiple_values(filled: Store) -> None:
    """Several values match any of them; all of them, when that is asked for, and then without wildcards."""
    assert studies(filled, ("ModalitiesInStudy", "MR\\CT")) == {1, 2, 3}
    assert studies(filled, ("ModalitiesInStudy", "CT\\PT"), ("multiplevaluematching", "true")) == {1}
    with pytest.raises(HealixError, match="ModalitiesInStudy"):
        studies(filled, ("ModalitiesInStudy", "CT\\P*"), ("multiplevaluematching", "true"))


@pytest.mark.spec("PS3.4 C.4.1.1.3.1")
def test_times_in_the_zone_of_the_query(store: Store) -> None:
    """With Timezone Offset From UTC dates and times are those that clocks of that zone showed."""
    store.add(part10(data_set(1, TimezoneOffsetFromUTC="-0500", StudyDate="20260101", StudyTime="2230")))
    zone = ("TimezoneOffsetFromUTC", "+0100")
    assert studies(store, ("StudyDate", "20260102"), zone) == {1}
    assert studies(store, ("StudyDate", "20260101"), zone) == set()
    assert studies(store, ("StudyTime", "0430-0440"), zone) == {1}
    assert studies(store, ("StudyDate", "20260102-20260102"), ("StudyTime", "0430-0431"), zone) == {1}
    assert studies(store, ("StudyDate", "20260101"), ("TimezoneOffsetFromUTC", "")) == {1}


def test_an_attribute_that_is_not_indexed_is_named_and_returned(filled: Store) -> None:
    """It is no condition, and its value comes back like that of every key."""
    filled.add(part10(data_set(4, PatientComments="quiet")))
    asked = parse(Level.STUDY, [("PatientComments", "loud"), ("AccessionNumber", "A4")])
    assert asked.unmatched == ["PatientComments"]
    (one,) = filled.run(query(SYSTEM, asked)).objects
    assert json.loads(one)["00104000"] == {"vr": "LT", "Value": ["quiet"]}


@pytest.fixture
def described(store: Store) -> Store:
    """An object with attributes that the index does not hold."""
    item = Dataset()
    item.CodeValue, item.CodeMeaning = "T-1", "Chest"
    made = data_set(1, PatientComments="quiet", ProtocolName="thorax", KVP="120", ProcedureCodeSequence=[item])
    made.private_block(0x0019, "ACME 1", create=True).add_new(0x02, "LO", "secret sauce")
    store.add(part10(made))
    return store


def included(store: Store, level: Level, *fields: str) -> dict[str, Any]:
    """The one match with these fields."""
    (one,) = search(store, level, [("includefield", ",".join(fields)), ("00190010", "ACME 1")])
    return one


@pytest.mark.spec("PS3.18 8.3.4.3")
def test_includefield_out_of_what_is_stored(described: Store) -> None:
    """What the index does not hold comes from the object itself, at its level and below."""
    fields = ("PatientComments", "ProtocolName", "00180060", "ProcedureCodeSequence.CodeValue", "00191002")
    study, series, instance = (included(described, level, *fields) for level in Level)
    assert study["00104000"]["Value"] == ["quiet"]
    assert study["00081032"] == {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["T-1"]}}]}
    assert not {"00181030", "00180060", "00191002"} & study.keys()
    assert series["00181030"]["Value"] == ["thorax"]
    assert not {"00180060", "00191002"} & series.keys()
    assert (instance["00180060"]["Value"], instance["00191002"]["Value"]) == ([120], ["secret sauce"])
    assert instance["00190010"]["Value"] == ["ACME 1"]


def test_all_of_an_instance_is_all_that_is_stored(described: Store) -> None:
    """`includefield=all` returns every attribute of an instance."""
    one = included(described, Level.INSTANCE, "all")
    assert {"00104000", "00181030", "00180060", "00081032", "00190010", "00191002", "00100010"} <= one.keys()


@pytest.mark.parametrize(
    ("order", "expected"),
    [("PatientID", [1, 3, 2]), ("-PatientID", [2, 3, 1]), ("PatientName", [1, 2, 3]),
     ("-NumberOfStudyRelatedSeries,StudyDate", [1, 2, 3])],
)  # fmt: skip
def test_order(filled: Store, order: str, expected: list[int]) -> None:
    """Matches are sorted by the attributes asked for, then as usual; what has no value is last."""
    found = search(filled, Level.STUDY, [("orderby", order)])
    assert [int(one["0020000D"]["Value"][0].rpartition(".")[2]) for one in found] == expected


@pytest.mark.parametrize("level", list(Level))
def test_count(filled: Store, level: Level) -> None:
    """As many are counted as are found, and no more than the caller may see."""
    asked = parse(level, [("ModalitiesInStudy", "PT")])
    assert filled.run(count(SYSTEM, asked)) == len(filled.run(query(SYSTEM, asked)).objects) > 0
    assert filled.run(count(caller("patient/ImagingStudy.s", pat=99), asked)) == 0
    with pytest.raises(HealixError):
        filled.run(count(caller("system/Patient.s"), asked))


def test_includefield_adds_indexed_attributes(filled: Store) -> None:
    """By keyword, tag, list or `all`; what is not asked for is not there."""
    params = [("PatientID", "P3")]
    assert "00080080" not in search(filled, Level.STUDY, params)[0]
    for field in ("InstitutionName", "00080080", "StudyDate,InstitutionName", "all"):
        (one,) = search(filled, Level.STUDY, [*params, ("includefield", field)])
        assert one["00080080"]["Value"] == ["St. Healix"]


def test_newest_first_in_pages(filled: Store) -> None:
    """Studies come newest first, undated last; limit and offset cut pages and tell whether more follow."""
    pages = [
        filled.run(query(SYSTEM, parse(Level.STUDY, [("limit", "2"), ("offset", offset)]), base=BASE))
        for offset in ("0", "2", "4")
    ]
    assert [page.remaining for page in pages] == [1, 0, 0]
    uids = [json.loads(one)["0020000D"]["Value"][0] for page in pages for one in page.objects]
    assert uids == [uid(1), uid(2), uid(3)]


@pytest.mark.parametrize(
    ("level", "key", "value"),
    [
        (Level.STUDY, "StudyDate", "yesterday"),
        (Level.STUDY, "StudyDate", "20260101-20260102-20260103"),
        (Level.STUDY, "StudyDate", "-"),
        (Level.STUDY, "StudyTime", "3 o'clock"),
        (Level.STUDY, "StudyInstanceUID", "../../etc"),
        (Level.STUDY, "StudyDate", "20260230"),
        (Level.STUDY, "StudyTime", "2400"),
        (Level.STUDY, "StudyTime", "23-02"),
        (Level.STUDY, "TimezoneOffsetFromUTC", "CET"),
        (Level.STUDY, "NoSuchAttribute", "x"),
        (Level.STUDY, "00191002", "x"),
        (Level.STUDY, "RequestAttributesSequence", "x"),
        (Level.STUDY, "NumberOfStudyRelatedSeries", "many"),
        (Level.STUDY, "orderby", "Nothing"),
        (Level.STUDY, "orderby", "ModalitiesInStudy"),
        (Level.STUDY, "orderby", "SeriesNumber"),
        (Level.STUDY, "includefield", "Nothing"),
        (Level.STUDY, "emptyvaluematching", "1"),
        (Level.STUDY, "limit", "-1"),
        (Level.STUDY, "limit", "\u0663"),
        (Level.STUDY, "offset", "99999999999999999999"),
        (Level.STUDY, "fuzzymatching", "maybe"),
        (Level.INSTANCE, "InstanceNumber", "one"),
        (Level.INSTANCE, "InstanceNumber", "9" * 30),
    ],
)
def test_malformed_keys_are_refused(store: Store, level: Level, key: str, value: str) -> None:
    """A key that is malformed or not searched by is Invalid and named, never ignored."""
    with pytest.raises(HealixError) as caught:
        search(store, level, [(key, value)])
    assert caught.value.category is Category.INVALID
    assert key in caught.value.message or value in caught.value.message


@pytest.mark.parametrize("name", ["PatientID", "limit", "00100020"])
def test_what_is_given_twice_is_refused(store: Store, name: str) -> None:
    """An attribute stands once in a query, whatever it is called."""
    with pytest.raises(HealixError) as caught:
        search(store, Level.STUDY, [("PatientID", "1"), ("limit", "1"), (name, "1")])
    assert caught.value.category is Category.INVALID


@pytest.mark.parametrize("value", ["a'; DROP TABLE study; --", "a\0b", "%", "\\", "*\0", "x" * 100_000])
def test_hostile_values_only_match_nothing(filled: Store, value: str) -> None:
    """Whatever a key holds is a value."""
    for key in ("PatientID", "PatientName", "StudyDescription"):
        assert studies(filled, (key, value)) == set()


@pytest.mark.parametrize("level", list(Level))
def test_only_what_the_token_opens_is_found(filled: Store, level: Level) -> None:
    """A token of one patient finds that patient's studies at every level, also when it asks for others; unmatched
    ones never.
    """
    (own,) = filled.sql("INSERT INTO patient_key (id) VALUES ('own') RETURNING pat")
    (other,) = filled.sql("INSERT INTO patient_key (id) VALUES ('other') RETURNING pat")
    filled.sql("UPDATE study SET pat = %s WHERE patient_id = 'P1'", own[0])
    filled.sql("UPDATE study SET pat = %s WHERE patient_id = 'P_2'", other[0])
    access = caller("patient/ImagingStudy.s", pat=own[0])
    found = filled.run(query(access, Query(level), base=BASE))
    assert {json.loads(one)["0020000D"]["Value"][0] for one in found.objects} == {uid(1)}
    asked = Query(level, (("StudyInstanceUID", uid(2)),))
    assert filled.run(query(access, asked, base=BASE)) == Matches([])


def test_searching_needs_the_scope(filled: Store) -> None:
    """Without search on ImagingStudy nothing is found."""
    with pytest.raises(HealixError) as caught:
        filled.run(query(caller("system/ImagingStudy.cr system/Patient.s"), Query(Level.STUDY)))
    assert caught.value.category is Category.FORBIDDEN


def test_a_search_and_its_audit_row_are_one_statement(filled: Store) -> None:
    """The number of statements does not depend on what is found."""
    statements: list[Statement] = []

    def watched() -> Work[None]:
        work = query(SYSTEM, Query(Level.INSTANCE), base=BASE)
        rows: Any = None
        while True:
            try:
                statements.append(work.send(rows))
            except StopIteration:
                return
            rows = yield statements[-1]

    filled.run(watched())
    assert len(statements) == 1
    assert filled.sql("SELECT action FROM audit_event WHERE subtype = 'query-instance'") == [("E",)]
