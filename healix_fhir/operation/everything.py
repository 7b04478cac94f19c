"""$everything: the record of a patient, of an encounter, of the patients of a group, or of all patients there are.

It is what the compartment holds and what that refers to; see search/record.py. It comes in pages of `_count`, which
their links lead through. Of several patients each has pages of its own, in the order of their ids. `start` and `end`
are about the main clinical date of a resource: what has none is always in.

Spec: FHIR R4, hl7.org/fhir/R4/patient-operation-everything.html, hl7.org/fhir/R4/encounter-operation-everything.html,
hl7.org/fhir/R4/group-operation-everything.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from urllib.parse import parse_qsl, urlencode

from healix_fhir.interaction.page import encode_page
from healix_fhir.interaction.result import Entry, Page
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Fragment, Row, Statement, Work
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME
from healix_fhir.model.json import decode_stored
from healix_fhir.model.operation_definition import OperationDefinition, standard
from healix_fhir.operation.declaring import changed, into
from healix_fhir.operation.given import Argument, Given, Json
from healix_fhir.operation.invocation import Invocation
from healix_fhir.search.dates import interval
from healix_fhir.search.fragments import EVERYTHING, all_of
from healix_fhir.search.included import any_visible
from healix_fhir.search.keyset import Place
from healix_fhir.search.page import Cursor, Signer, foreign
from healix_fhir.search.params.reference import target
from healix_fhir.search.record import REFERRED, Wanted, record_statement
from healix_fhir.store.read import audit_shown
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

COUNT = 250
MOST = 1000
PATIENT = "Patient"


def _paged(id_: str) -> OperationDefinition:
    return changed(
        standard(id_),
        f"The result comes in pages of {COUNT} resources, or of `_count` up to {MOST}; their links lead on.",
        into("_cursor", "string", "The place to go on from, as the links of a page have it"),
    )


OF_PATIENT, OF_ENCOUNTER, OF_GROUP = (_paged(f"{name}-everything") for name in (PATIENT, "Encounter", "Group"))


@dataclass(frozen=True, slots=True)
class Patients:
    """Whose records are asked for: of one patient or encounter, of those with `ids`, or of all patients."""

    type: str = PATIENT
    id: str | None = None
    ids: tuple[str, ...] | None = None


async def everything(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """One page. Raises NotFound, Forbidden, or Invalid for a parameter."""
    assert invocation.type is not None
    wanted = _wanted(invocation.given)
    access.require(PATIENT if invocation.type == "Group" else invocation.type, Permission.READ)
    asked = Patients(invocation.type, invocation.id)
    if invocation.id is not None:
        stored = await interactions.read(access, invocation.type, invocation.id)
        if invocation.type == "Group":
            asked = Patients(ids=_members(decode_stored(stored.body), interactions.bases))
    finder = await interactions.finder()
    path = "/".join(part for part in (invocation.type, invocation.id, "$everything") if part)
    pages = Pages(interactions.bases[0], path, finder.signer)
    page = await interactions.looked_up(lambda: pages.page(access, asked, wanted, invocation.given))
    return encode_page(page, interactions.bases[0], path)


async def records(interactions: Interactions, access: AccessContext, patient: str) -> AsyncIterator[list[bytes]]:
    """The resources of a patient's whole record as they are stored, page by page. Raises NotFound, Forbidden."""
    await interactions.read(access, PATIENT, patient)
    finder = await interactions.finder()
    pages = Pages(interactions.bases[0], f"{PATIENT}/{patient}/$everything", finder.signer)
    return _whole(interactions, access, patient, pages)


async def _whole(
    interactions: Interactions, access: AccessContext, patient: str, pages: Pages
) -> AsyncIterator[list[bytes]]:
    count = (Argument(MOST),)
    given = Given({"_count": count})
    while True:
        page = await interactions.looked_up(partial(pages.page, access, Patients(id=patient), _wanted(given), given))
        yield [one.body for one in page.entries if one.body is not None]
        if "next" not in page.links:
            return
        cursor = dict(parse_qsl(page.links["next"]))["_cursor"]
        given = Given({"_count": count, "_cursor": (Argument(cursor),)})


def _members(group: Json, bases: tuple[str, ...]) -> tuple[str, ...]:
    """The patients who are in a group now."""
    found = (
        target(member["entity"].get("reference", ""), bases)
        for member in group.get("member", ())
        if not member.get("inactive", False)
    )
    return tuple(one[1] for one in found if one is not None and one[0] == TYPE_ID[PATIENT])


def _wanted(given: Given) -> Wanted:
    types = given.texts("_type")
    for name in types:
        if name not in TYPE_ID:
            raise invalid(f"_type: '{name[:64]}' is not a resource type", code="value", expression=("_type",))
    count = given.number("_count")
    if count is not None and count < 1:
        raise invalid("_count must be 1 or more", code="value", expression=("_count",))
    return Wanted(
        PATIENT,
        "",
        limit=min(count or COUNT, MOST) + 1,
        start=_ends(given.text("start"))[0],
        end=_ends(given.text("end"))[1],
        since=_ends(given.text("_since"))[0],
        types=tuple(TYPE_ID[name] for name in types) if "_type" in given else None,
    )


def _ends(text: str | None) -> tuple[datetime | None, datetime | None]:
    return (None, None) if text is None else interval(text) or (None, None)


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of a result at `path`, with links that `signer` seals."""

    base: str
    path: str
    signer: Signer

    def page(self, access: AccessContext, asked: Patients, wanted: Wanted, given: Given) -> Work[Page]:
        """The page that the parameters ask for."""
        params = _params(given)
        bound = f"{self.base}/{self.path}?{urlencode(params)}"
        cursor = self._cursor(given.text("_cursor"), bound)
        of, further = asked.id, None
        if of is None:
            begin = cursor.place.keys[0] if cursor is not None and cursor.place is not None else None
            of, further = yield from _next(access, asked, begin or "")
        rows: Sequence[Row] = ()
        if of is not None:
            place = cursor.place if cursor is not None else None
            wanted = replace(
                wanted,
                type=asked.type,
                id=of,
                after=place if place is not None and place.keys[0] == of else None,
                ceiling=cursor.ceiling if cursor is not None else None,
            )
            rows = yield record_statement(access, wanted)
        shown = rows[: wanted.limit - 1]
        yield audit_shown(
            AuditRow(access.origin, "E", "$everything", entity=self.path.removesuffix("/$everything"),
                     query=urlencode(params)),
            [(TYPE_NAME[row[3]], row[4]) for row in shown],
        )  # fmt: skip
        links = {"self": urlencode(params)}
        if len(rows) > len(shown):
            place = Place(shown[-1][1], (of,), shown[-1][2])
            links["next"] = self._link(params, bound, place, cursor, rows)
        elif further is not None:
            links["next"] = self._link(params, bound, Place(0, (further,), -1), cursor, rows)
        entries = tuple(self._entry(row) for row in shown)
        total = len(entries) if cursor is None and "next" not in links else None
        return Page("searchset", entries, total, links)

    def _entry(self, row: Row) -> Entry:
        _, phase, _, type_id, id_, _, _, body = row
        full_url = f"{self.base}/{TYPE_NAME[type_id]}/{id_}"
        return Entry(full_url, body, "include" if phase == REFERRED else "match")

    def _link(
        self, params: list[tuple[str, str]], bound: str, place: Place, cursor: Cursor | None, rows: Sequence[Row]
    ) -> str:
        ceiling = cursor.ceiling if cursor is not None else rows[0][0] if rows else 2**62
        return urlencode([*params, ("_cursor", self.signer.seal(Cursor(ceiling, False, place), bound))])

    def _cursor(self, text: str | None, bound: str) -> Cursor | None:
        if text is None:
            return None
        cursor = self.signer.unseal(text, bound)
        if cursor.place is None or len(cursor.place.keys) != 1:
            raise foreign()
        return cursor


def _params(given: Given) -> list[tuple[str, str]]:
    """The parameters as a query, without the place."""
    return [
        (name, str(value)) for name in sorted(given.arguments) if name != "_cursor" for value in given.all(name)
    ]  # fmt: skip


def _next(access: AccessContext, asked: Patients, begin: str) -> Work[tuple[str | None, str | None]]:
    """The first visible patient from the id `begin` on, and the next one."""
    within = EVERYTHING if asked.ids is None else Fragment("r.id = ANY(%s::text[])", (list(asked.ids),))
    seen = all_of([Fragment("r.type = %s AND NOT r.deleted", (TYPE_ID[PATIENT],)), within, any_visible(access)])
    rows = yield Statement(
        f'SELECT r.id FROM resource r WHERE {seen.sql} AND r.id >= %s COLLATE "C" ORDER BY r.id LIMIT 2',
        (*seen.params, begin),
        prepare=False,
    )
    first, second = (*(row[0] for row in rows), None, None)[:2]
    return first, second
