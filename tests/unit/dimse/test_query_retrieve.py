"""What identifiers may ask for: levels, unique keys, keys of sequences and private ones."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dicomweb.dicomjson.model import Member, Members
from dicomweb.dimse.identifier import Identifier
from dicomweb.dimse.query_retrieve import (
    PATIENT_ROOT,
    PATIENT_STUDY_ONLY,
    STUDY_ROOT,
    Asked,
    Model,
    question,
    selection,
)
from dicomweb.index.further import BUILT_IN
from dicomweb.study.query import Level
from healix_fhir.kernel.errors import Category, HealixError

LEVEL, PATIENT, STUDY, SERIES, IMAGE = 0x00080052, 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
NAME, DATE, TIME, REQUESTS = 0x00100010, 0x00080020, 0x00080030, 0x00400275
ALL = b"\1\1\1\1\0"


def identifier(level: str | None, keys: dict[int, str | Member]) -> Identifier:
    """An identifier with these keys."""
    members: Members = {
        tag: value if isinstance(value, Member) else Member("LO", value.split("\\") if value else ())
        for tag, value in keys.items()
    }
    if level is not None:
        members[LEVEL] = Member("CS", [level])
    return Identifier(members)


def ask(level: str | None, keys: dict[int, str | Member], model: Model = PATIENT_ROOT, extended: bytes = b"") -> Asked:
    """What these keys ask for."""
    return question(identifier(level, keys), model, extended, BUILT_IN, 10)


@pytest.mark.spec("PS3.4 C.4.1.1.3.1 (2024d)")
@pytest.mark.parametrize(
    ("model", "level", "searched"),
    [
        (PATIENT_ROOT, "PATIENT", Level.STUDY),
        (PATIENT_ROOT, "STUDY", Level.STUDY),
        (PATIENT_ROOT, "SERIES", Level.SERIES),
        (PATIENT_ROOT, "IMAGE", Level.INSTANCE),
        (STUDY_ROOT, "PATIENT", None),
        (STUDY_ROOT, "STUDY", Level.STUDY),
        (STUDY_ROOT, "IMAGE", Level.INSTANCE),
        (PATIENT_STUDY_ONLY, "STUDY", Level.STUDY),
        (PATIENT_STUDY_ONLY, "SERIES", None),
        (STUDY_ROOT, "study", None),
        (STUDY_ROOT, "FRAME", None),
        (STUDY_ROOT, "", None),
        (STUDY_ROOT, None, None),
    ],
)
def test_levels_of_each_model(model: Model, level: str | None, searched: Level | None) -> None:
    """Each model has its levels; any other, and none, does not suit the SOP class."""
    keys: dict[int, str | Member] = {PATIENT: "P1", STUDY: "1.2", SERIES: "1.2.3"}
    if searched is not None:
        assert ask(level, keys, model).query.level is searched
        return
    with pytest.raises(HealixError, match="QueryRetrieveLevel") as caught:
        ask(level, keys, model)
    assert caught.value.category is Category.UNPROCESSABLE


ABOVE: list[tuple[Model, str, dict[int, str | Member], str]] = [
    (PATIENT_ROOT, "STUDY", {}, "PatientID"),
    (PATIENT_ROOT, "STUDY", {PATIENT: ""}, "PatientID"),
    (PATIENT_ROOT, "STUDY", {PATIENT: "P*"}, "PatientID"),
    (PATIENT_ROOT, "SERIES", {PATIENT: "P1"}, "StudyInstanceUID"),
    (STUDY_ROOT, "SERIES", {}, "StudyInstanceUID"),
    (STUDY_ROOT, "SERIES", {STUDY: "1.2\\1.3"}, "StudyInstanceUID"),
    (STUDY_ROOT, "SERIES", {STUDY: "*"}, "StudyInstanceUID"),
    (STUDY_ROOT, "IMAGE", {STUDY: "1.2"}, "SeriesInstanceUID"),
]


@pytest.mark.spec("PS3.4 C.4.1.2.1 (2024d)")
@pytest.mark.parametrize(("model", "level", "keys", "missing"), ABOVE)
def test_hierarchical_queries_need_the_unique_keys_above(
    model: Model, level: str, keys: dict[int, str | Member], missing: str
) -> None:
    """Without relational queries each level above has one value of its unique key; with them none is needed."""
    keys = {**keys, IMAGE: "1.2.3.4"}
    with pytest.raises(HealixError, match=missing) as caught:
        ask(level, keys, model)
    assert caught.value.category is Category.UNPROCESSABLE
    assert ask(level, keys, model, ALL).query.level is not None
    with pytest.raises(HealixError, match=missing):
        selection(identifier(level, {SERIES: "1.2.3", **keys} if level == "SERIES" else keys), model, b"")


def test_keys_become_the_search_of_dicomweb() -> None:
    """Keys are named as QIDO-RS names them, values joined, and what is no key is left out."""
    item: Members = {0x00400009: Member("SH", ["S*"]), 0x00401001: Member("SH")}
    asked = ask(
        "STUDY",
        {
            0x00080005: "ISO_IR 100",
            0x00080054: "HEALIX",
            0x00080201: "+0100",
            0x00080061: "CT\\MR",
            NAME: Member("PN", ["Doe^*"]),
            REQUESTS: Member("SQ", [item]),
            PATIENT: "",
        },
        STUDY_ROOT,
    )
    assert sorted(asked.query.keys) == [
        ("ModalitiesInStudy", "CT\\MR"),
        ("PatientID", ""),
        ("PatientName", "Doe^*"),
        ("RequestAttributesSequence.RequestedProcedureID", ""),
        ("RequestAttributesSequence.ScheduledProcedureStepID", "S*"),
    ]
    assert not asked.query.defaults


@pytest.mark.spec("PS3.4 C.5.1.1 (2024d)")
def test_what_was_negotiated_is_asked_for() -> None:
    """Combined dates and times, fuzzy names and the zone of a query are only what both sides agreed on."""
    keys: dict[int, str | Member] = {DATE: "20200101", TIME: "1200", 0x00080201: "+0130"}
    plain, agreed = ask("STUDY", keys, STUDY_ROOT).query.how, ask("STUDY", keys, STUDY_ROOT, ALL).query.how
    assert (plain.combined, plain.fuzzy, plain.zone) == (False, False, None)
    assert (agreed.combined, agreed.fuzzy, agreed.zone) == (True, True, timedelta(hours=1, minutes=30))
    with pytest.raises(HealixError, match="TimezoneOffsetFromUTC"):
        ask("STUDY", {0x00080201: "tomorrow"}, STUDY_ROOT, ALL)


UNSUPPORTED: dict[str, tuple[dict[int, str | Member], bool]] = {
    "indexed keys": ({DATE: "", NAME: "D*"}, False),
    "a return key that is not indexed": ({0x00104000: ""}, False),
    "a matching key that is not indexed": ({0x00104000: "x"}, True),
    "a key of a lower level": ({0x00080060: ""}, True),
    "a private key of nobody": ({0x00191001: ""}, True),
    "a private key of somebody": ({0x00190010: "ACME", 0x00191001: ""}, False),
}


@pytest.mark.spec("PS3.4 C.4.1.1.4 (2024d)")
@pytest.mark.parametrize("case", UNSUPPORTED)
def test_unsupported_keys_are_told(case: str) -> None:
    """Keys that are neither matched nor returned make the matches those with a warning."""
    keys, unsupported = UNSUPPORTED[case]
    if case == "a private key of somebody":
        assert ask("IMAGE", {**keys, STUDY: "1", SERIES: "1"}, STUDY_ROOT).unsupported is unsupported
    else:
        assert ask("STUDY", keys, STUDY_ROOT).unsupported is unsupported


REFUSED: dict[str, dict[int, str | Member]] = {
    "two items": {REQUESTS: Member("SQ", [{}, {}])},
    "octets": {0x00104000: Member("UN", (), b"\\1\\2")},
    "too many keys": {0x00200000 + tag: "" for tag in range(0x1000, 0x1200)},
    "too many keys in an item": {
        REQUESTS: Member("SQ", [{0x00200000 + tag: Member("LO") for tag in range(0x1000, 0x1200)}])
    },
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_asks_for_too_much_or_nothing_sensible(case: str) -> None:
    """Several items of a sequence, binary values and keys without end are refused."""
    with pytest.raises(HealixError):
        ask("STUDY", REFUSED[case], STUDY_ROOT)


@pytest.mark.spec("PS3.4 C.4.2.1.4.1 (2024d)")
def test_selections_of_retrievals() -> None:
    """The unique keys of the levels up to that of the retrieval, with lists at that level; it needs a value."""
    keys: dict[int, str | Member] = {PATIENT: "P1", STUDY: "1.2", SERIES: "1.2.3\\1.2.4", NAME: "ignored"}
    assert selection(identifier("SERIES", keys), PATIENT_ROOT, b"") == [
        ("PatientID", ["P1"]),
        ("StudyInstanceUID", ["1.2"]),
        ("SeriesInstanceUID", ["1.2.3", "1.2.4"]),
    ]
    assert selection(identifier("SERIES", {SERIES: "1.2.3"}), STUDY_ROOT, b"\1") == [("SeriesInstanceUID", ["1.2.3"])]
    with pytest.raises(HealixError, match="SOPInstanceUID"):
        selection(identifier("IMAGE", keys | {SERIES: "1.2.3"}), PATIENT_ROOT, b"")
