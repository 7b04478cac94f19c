"""Searches of random studies by random keys find what a naive matcher finds; see oracle.py."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.index.attributes import Level
from dicomweb.index.columns import columns
from dicomweb.study.parameters import parse
from dicomweb.study.query import count, query
from healix_fhir.kernel.database import Row, open_pool, transaction
from tests.property.qido.oracle import Study, matches
from tests.support.examples import examples
from tests.support.study import SYSTEM

KEYS = {
    "PatientID": (0x00100020, "LO"),
    "PatientName": (0x00100010, "PN"),
    "AccessionNumber": (0x00080050, "SH"),
    "StudyDescription": (0x00081030, "LO"),
    "StudyID": (0x00200010, "SH"),
    "StudyDate": (0x00080020, "DA"),
    "StudyTime": (0x00080030, "TM"),
    "TimezoneOffsetFromUTC": (0x00080201, "SH"),
}
LETTERS = "abAB1_% \u00e9\u00df"
FAMILIES = ("Doe", "Do", "M\u00fcller", "O Neil", "Smith-Jones", "Yamada", "\u00c9mile", "\u0141uk")
SCRIPTS = (
    "",
    "=\u5c71\u7530^\u592a\u90ce",
    "=\u5c71\u7530^\u592a\u90ce=\u3084\u307e\u3060^\u305f\u308d\u3046",
    "==\u30e4\u30de\u30c0",
)
WORDS = (
    "do", "doe", "DOE^J*", "*o*", "D?e^*", "m\u00fcl*", "muller^jane", "*ller*", "\u5c71\u7530*",
    "\u5c71\u7530^\u592a\u90ce", "\u3084\u307e\u3060", "*=\u5c71*", "jane doe", "emi", "smith jones",
    "Smith-Jones^Jane", "neil", "\u5c71\u7530\u592a", "*", "o neil",
)  # fmt: skip
UIDS = tuple(f"1.2.{number}" for number in range(40))
text = st.text(LETTERS, max_size=6).map(str.strip)
date = st.builds(lambda month, day: f"2026{month:02}{day:02}", st.integers(1, 2), st.integers(1, 3))
time = st.builds(
    lambda hour, minute, second, length: f"{hour:02}{minute:02}{second:02}"[:length],
    st.sampled_from((0, 1, 11, 12, 22, 23)), st.sampled_from((0, 30, 59)), st.sampled_from((0, 59)),
    st.sampled_from((2, 4, 6)),
)  # fmt: skip
zone = st.sampled_from(("", "+0000", "+0100", "-0530", "+1245", "-1200", "+1400"))
name = st.builds(
    lambda family, given, scripts: f"{family}{given}{scripts}",
    st.sampled_from(("", *FAMILIES)), st.sampled_from(("", "^Jane", "^John^Q")), st.sampled_from(SCRIPTS),
).map(lambda made: "" if made.startswith("^") else made)  # fmt: skip
modalities = st.lists(st.sampled_from(("CT", "MR", "PT", "US")), unique=True, max_size=3).map("\\".join)
study = st.fixed_dictionaries(
    {
        "PatientID": text, "PatientName": name, "AccessionNumber": text, "StudyDescription": text, "StudyID": text,
        "StudyDate": st.one_of(st.just(""), date), "StudyTime": st.one_of(st.just(""), time),
        "TimezoneOffsetFromUTC": zone, "ModalitiesInStudy": modalities,
    }
)  # fmt: skip


def _ranges(one: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(one, one).map("-".join)
    return st.one_of(one, one.map("{}-".format), one.map("-{}".format), pair)


pattern = st.text(f"{LETTERS}*?", max_size=5).map(str.strip)
keys = st.fixed_dictionaries(
    {},
    optional={
        "PatientID": pattern, "AccessionNumber": pattern, "StudyDescription": pattern, "StudyID": pattern,
        "PatientName": st.sampled_from(WORDS), "StudyDate": _ranges(date), "StudyTime": _ranges(time),
        "TimezoneOffsetFromUTC": zone.filter(bool),
        "StudyInstanceUID": st.lists(st.sampled_from(UIDS), min_size=1).map(",".join),
        "ModalitiesInStudy": st.lists(st.sampled_from(("CT", "MR", "PT", "C*")), unique=True, min_size=1).map(",".join),
    },
)  # fmt: skip
options = st.fixed_dictionaries(
    {},
    optional={
        "fuzzymatching": st.sampled_from(("true", "false")),
        "multiplevaluematching": st.sampled_from(("true", "false")),
    },
)


@pytest.fixture(scope="module")
def opened(module_database_url: str) -> Iterator[ConnectionPool[Connection[Row]]]:
    """A database for these tests."""
    with open_pool(module_database_url, size=1) as pool:
        yield pool


def fill(pool: ConnectionPool[Connection[Row]], studies: Sequence[Study]) -> None:
    """Replace all studies."""
    with pool.connection() as connection, connection.transaction():
        connection.execute("DELETE FROM study")
        for uid, one in zip(UIDS, studies, strict=False):
            attributes = {tag: encoded(vr, one[keyword]) for keyword, (tag, vr) in KEYS.items()}
            row = columns(attributes, Level.STUDY) | {
                "study_uid": uid,
                "modalities": [part for part in one["ModalitiesInStudy"].split("\\") if part],
            }
            names = ", ".join(row)
            connection.execute(
                f"INSERT INTO study ({names}) VALUES ({', '.join(['%s'] * len(row))})".encode(), list(row.values())
            )


def encoded(vr: str, value: str) -> bytes:
    """The DICOM JSON attribute of a value."""
    if not value:
        return b"{}"
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), value.split("="), strict=False)
    found = {key: group for key, group in groups if group} if vr == "PN" else value
    return json.dumps({"vr": vr, "Value": [found]}).encode()


def well_formed(asked: dict[str, str], chosen: dict[str, str]) -> bool:
    """Whether the standard gives the question a meaning."""
    several = "," in asked.get("ModalitiesInStudy", "") and chosen.get("multiplevaluematching") == "true"
    days, hours = ([end for end in asked.get(key, "").split("-") if end] for key in ("StudyDate", "StudyTime"))
    ahead = len(days) == 2 and days[0] < days[1]
    crossed = days != sorted(days) or (hours != sorted(hours) and not ahead)
    return not (several and "*" in asked["ModalitiesInStudy"]) and not crossed


BARE = dict.fromkeys(KEYS, "") | {"ModalitiesInStudy": "CT"}


@pytest.mark.spec("PS3.4 C.2.2.2")
@example([BARE], [({"ModalitiesInStudy": "C*"}, {"multiplevaluematching": "true"})])
@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(study, min_size=1, max_size=40),
    st.lists(st.tuples(keys, options).filter(lambda one: well_formed(*one)), min_size=20, max_size=20),
)
def test_what_is_found(
    opened: ConnectionPool[Connection[Row]],
    studies: list[dict[str, str]],
    questions: list[tuple[dict[str, str], dict[str, str]]],
) -> None:
    """Every search finds the studies that the oracle finds, and counts as many."""
    fill(opened, studies)
    known = [one | {"StudyInstanceUID": uid} for uid, one in zip(UIDS, studies, strict=False)]
    for asked, chosen in questions:
        parsed = parse(Level.STUDY, [*asked.items(), *chosen.items()])
        found = transaction(opened, partial(query, SYSTEM, parsed))
        uids = {json.loads(one)["0020000D"]["Value"][0] for one in found.objects}
        expected = {one["StudyInstanceUID"] for one in known if matches(one, asked, chosen)}
        assert uids == expected, (asked, chosen)
        assert transaction(opened, partial(count, SYSTEM, parsed)) == len(expected)
        event("some" if expected else "none")


@pytest.mark.spec("PS3.4 C.2.2.2.7")
@settings(max_examples=examples(10), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(study, min_size=1, max_size=40))
def test_what_is_empty(opened: ConnectionPool[Connection[Row]], studies: list[dict[str, str]]) -> None:
    """With Empty Value Matching two quotation marks find what has no value."""
    fill(opened, studies)
    known = [one | {"StudyInstanceUID": uid} for uid, one in zip(UIDS, studies, strict=False)]
    chosen = {"emptyvaluematching": "true"}
    for keyword in ("PatientID", "PatientName", "StudyDate", "StudyTime", "ModalitiesInStudy"):
        found = transaction(opened, partial(query, SYSTEM, parse(Level.STUDY, [(keyword, '""'), *chosen.items()])))
        uids = {json.loads(one)["0020000D"]["Value"][0] for one in found.objects}
        assert uids == {one["StudyInstanceUID"] for one in known if matches(one, {keyword: '""'}, chosen)}, keyword
