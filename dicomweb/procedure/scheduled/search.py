"""Searching the modality worklist, a page at a time: the service behind C-FIND.

SQL narrows by the keys that are columns; whether an item matches is decided by dicomweb/procedure/scheduled/matching.

A step for which no station is named is for any of them: it is on the list of whoever asks, as if scheduled there.

Spec: PS3.4 K.4.1.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from dicomweb.dicomjson.reading import DataSet
from dicomweb.index import moments as m
from dicomweb.procedure.content import items, name_of, text, values
from dicomweb.procedure.scheduled import states
from dicomweb.procedure.scheduled.answer import answer
from dicomweb.procedure.scheduled.attributes import (
    ACCESSION,
    MODALITY,
    PATIENT_ID,
    START_DATE,
    STATIONS,
    STATUS,
    STEP,
    STEP_ID,
    STUDY_UID,
)
from dicomweb.procedure.scheduled.matching import Test, matcher, unsupported
from dicomweb.procedure.scheduled.states import Performed, State, shown
from dicomweb.procedure.tables import LISTED
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.conditions import EVERYTHING, all_of
from healix_fhir.kernel.database import Fragment, Statement, Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

TYPE = "ServiceRequest"
"""The FHIR type whose scopes open the worklist: a step stands for its order."""
PAGE = 500
"""Rows that are looked at together."""
UNSOUGHT = ("*", "?", "\0")
"""Characters that stand in no value: those of wild cards, and the one that no column can hold."""
COLUMNS = {PATIENT_ID: "s.patient_id", ACCESSION: "s.accession", STUDY_UID: "s.study_uid"}
STEP_COLUMNS = {MODALITY: "s.modality", STEP_ID: "s.step_id"}
START = ("", 0)
Place = tuple[str, int]
"""Where in the order of the list a page ended: when its last step begins, and the number of that step."""


@dataclass(frozen=True, slots=True)
class Query:
    """The keys of a request, and the title of who asks."""

    keys: DataSet
    asking: str
    matches: Test = field(repr=False)
    all_supported: bool

    @property
    def station(self) -> str:
        """The station that is asked for, else the one that asks."""
        given = _plain(next(items(self.keys, STEP), {}), _inner(STATIONS))
        return given[0] if len(given) == 1 else self.asking


@dataclass(frozen=True, slots=True)
class Page:
    """Answers in the order in which the steps begin; `after`: where the next page begins, None where none is left."""

    answers: list[DataSet]
    after: Place | None


def query(keys: DataSet, asking: str, *, fuzzy: bool = False) -> Query:
    """A query from an identifier. Raises Invalid for malformed keys."""
    return Query(keys, asking, matcher(keys, fuzzy=fuzzy), all_supported=not unsupported(keys))


def search(access: AccessContext, asked: Query, after: Place = START) -> Work[Page]:
    """The answers among the next `PAGE` steps that `access` may see. Raises Forbidden where it may see none at all.

    One statement, and one for the audit rows of each patient shown.
    """
    access.require(TYPE, Permission.SEARCH)
    parts = [
        access.represented(TYPE, Permission.SEARCH, "s.pat", "s.request_pk"),
        *_narrowed(asked),
        Fragment("(s.starts, s.pk) > (%s, %s)", after),
    ]
    condition = all_of(part for part in parts if part != EVERYTHING)
    rows = yield Statement(
        "SELECT k.id, s.dataset, s.state, s.performed, s.starts, s.pk FROM scheduled_step s"
        f" LEFT JOIN patient_key k ON k.pat = s.pat WHERE {condition.sql} ORDER BY s.starts, s.pk LIMIT {PAGE}",
        condition.params,
        prepare=False,
    )
    found: list[tuple[str | None, DataSet]] = []
    for patient, dataset, state, performed, *_ in rows:
        item = _item(msgspec.json.decode(dataset), shown(State(state), Performed(performed)), asked)
        if asked.matches(item):
            found.append((patient, answer(asked.keys, item)))
    if found or after == START:
        yield _audited(access, asked, [patient for patient, _ in found])
    last = tuple(rows[-1][4:]) if len(rows) == PAGE else None
    return Page([one for _, one in found], last)


def _narrowed(asked: Query) -> Iterator[Fragment]:
    """Conditions that every match meets."""
    keys, step = asked.keys, next(items(asked.keys, STEP), {})
    wanted = _plain(step, _inner(STATUS))
    is_listed = bool(wanted) and states.LISTED.issuperset(wanted)  # which nothing is performed of
    is_any = not text(step, _inner(STATUS)).strip("*")
    yield Fragment(LISTED) if is_any or is_listed else Fragment("s.dataset IS NOT NULL")
    if is_listed:
        yield Fragment("s.performed = '' AND s.state = ANY(%s)", (wanted,))
    for tag, column in COLUMNS.items():
        yield from _among(keys, tag, column)
    for path, column in STEP_COLUMNS.items():
        yield from _among(step, _inner(path), column)
    if stations := _plain(step, _inner(STATIONS)):
        yield Fragment("(s.stations = '{}' OR s.stations && %s::text[])", (stations,))
    date = text(step, _inner(START_DATE))
    if date.strip("*"):
        yield Fragment("s.starts >= %s AND s.starts < %s", m.date_bounds(m.dates(date)))


def _among(keys: DataSet, tag: str, column: str) -> Iterator[Fragment]:
    if wanted := _plain(keys, tag):
        yield Fragment(f"{column} = ANY(%s)", (wanted,))


def _plain(keys: DataSet, tag: str) -> list[str]:
    """The values of a key, where they are asked for as they are."""
    found = [str(value).strip() for value in values(keys, tag)]
    return [] if any(char in value for value in found for char in UNSOUGHT) else [value for value in found if value]


def _item(dataset: DataSet, status: str, asked: Query) -> DataSet:
    """A stored item as whoever asks sees it now."""
    (step,) = dataset[STEP]["Value"]
    now = step | {_inner(STATUS): {"vr": "CS", "Value": [status]}}
    if not values(step, _inner(STATIONS)):
        now[_inner(STATIONS)] = {"vr": "AE", "Value": [asked.station]}
    return dataset | {STEP: {"vr": "SQ", "Value": [now]}}


def _audited(access: AccessContext, asked: Query, patients: list[str | None]) -> Statement:
    shown_to = dict.fromkeys(patient for patient in patients if patient is not None)
    said = "&".join(_said(asked.keys)).replace("\0", "")[:1000]
    return record(
        [AuditRow(access.origin, "E", "query-worklist", patient=one, query=said) for one in shown_to or (None,)]
    )


def _said(keys: DataSet) -> Iterator[str]:
    """The keys with a value, as the trail tells them."""
    for tag, member in keys.items():
        if member["vr"] == "SQ":
            yield from (f"{tag}.{inner}" for item in items(keys, tag) for inner in _said(item))
        elif found := values(keys, tag):
            names = (name_of(keys, tag),) if member["vr"] == "PN" else map(str, found)
            yield f"{tag}={','.join(names)}"


def _inner(path: str) -> str:
    return path.rpartition(".")[2]
