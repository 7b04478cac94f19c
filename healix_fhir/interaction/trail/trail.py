"""AuditEvents, read and searched in the audit trail itself: one source, which nobody can write to over REST.

What a caller sees is decided by the patient of a row: the one access predicate on patients, over that column. Rows that
name no patient are for system scopes. The number of a row is sealed in its id, since numbers would tell how much the
server does.

Spec: FHIR R4, hl7.org/fhir/R4/auditevent.html; IHE BALP 1.1.3
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from healix_fhir.interaction.result import Entry, Page
from healix_fhir.interaction.status import outcome
from healix_fhir.interaction.trail.asked import Asked, read
from healix_fhir.interaction.trail.render import Recorded, render
from healix_fhir.kernel.audit import AUDIT_EVENT, AuditRow, record
from healix_fhir.kernel.database import Fragment, Row, Statement, Work
from healix_fhir.kernel.errors import forbidden
from healix_fhir.search.keyset import Place
from healix_fhir.search.page import Cursor, Signer
from healix_fhir.search.result import Total
from healix_fhir.search.searched import Searched
from healix_fhir.store.read import missing
from healix_fhir.store.stored import Stored
from smart_auth.access import EVERYTHING, NOTHING, AccessContext
from smart_auth.scope import Permission

COLUMNS = """e.seq, e.recorded, e.action, e.subtype, e.outcome, e.client, e.account, e.address, e.request, e.patient,
  e.entity, e.query, a.fhir_user,
  EXISTS (SELECT FROM break_glass b WHERE b.patient = e.patient AND a.fhir_user = 'Practitioner/' || b.practitioner
            AND e.recorded >= b.opened AND e.recorded < b.ends)"""
FROM = "audit_event e LEFT JOIN account a ON a.username = e.account"


class Trail:
    """The trail of the server at `base`; `key` is a secret that all its nodes share."""

    def __init__(self, base: str, key: bytes, signer: Signer) -> None:
        self._base = base
        self._signer = signer
        self._cipher = AESSIV(hmac.digest(key, b"healix audit event", "sha512"))

    def read(self, access: AccessContext, id_: str) -> Work[Stored]:
        """One AuditEvent. Raises NotFound for what is not there and, alike, what is not to be seen; or Forbidden."""
        access.require_whole(AUDIT_EVENT, Permission.READ, "the audit trail")
        seq = self._seq(id_)
        if seq is None:
            raise missing(AUDIT_EVENT, id_)
        seen = visible(access, Permission.READ)
        rows = yield Statement(f"SELECT {COLUMNS} FROM {FROM} WHERE e.seq = %s AND {seen.sql}", (seq, *seen.params))
        if not rows:
            raise missing(AUDIT_EVENT, id_)
        row = Recorded(*rows[0])
        yield record([AuditRow(access.origin, "R", "read", patient=row.patient, entity=f"{AUDIT_EVENT}/{id_}")])
        return Stored(AUDIT_EVENT, id_, 1, row.recorded, self._rendered(row, seen))

    def search(
        self, access: AccessContext, searched: Searched, params: Sequence[tuple[str, str]], *, strict: bool
    ) -> Work[Page]:
        """One page, newest first unless asked otherwise."""
        access.require_whole(AUDIT_EVENT, Permission.SEARCH, "the audit trail")
        asked = read(searched, params, strict=strict, base=self._base)
        seen = visible(access, Permission.SEARCH)
        where = [seen, *asked.where, *map(self._ids, asked.ids)]
        bound = f"{self._base}/{searched.path}?{urlencode(asked.kept)}"
        cursor = self._signer.unseal(asked.controls.cursor, bound) if asked.controls.cursor else None
        rows: list[Row] = []
        if asked.controls.count:
            rows = yield _page_statement(asked, where, cursor)
        page = _Shown(rows, asked.controls.count, cursor)
        total = None
        if asked.controls.total is not Total.NONE:
            ((total,),) = yield _all(f"SELECT count(*) FROM {FROM}", where)
        elif not page.before and not page.behind:
            total = len(page.rows)
        alone = access.patient if seen == Fragment("e.patient = %s", (access.patient,)) else None
        yield record(
            [
                AuditRow(
                    access.origin, "E", "search-type", patient=alone, entity=AUDIT_EVENT, query=urlencode(asked.kept)
                )
            ]
        )
        entries = [self._entry(Recorded(*row), seen) for row in page.rows]
        if asked.ignored:
            entries.append(Entry(None, outcome(tuple(asked.ignored)), "outcome"))
        subset = None if asked.controls.subset.whole else asked.controls.subset
        return Page("searchset", tuple(entries), total, dict(self._links(asked, page, bound)), subset)

    def _entry(self, row: Recorded, seen: Fragment) -> Entry:
        return Entry(f"{self._base}/{AUDIT_EVENT}/{self._id(row.seq)}", self._rendered(row, seen), "match")

    def _rendered(self, row: Recorded, seen: Fragment) -> bytes:
        return render(row, self._id(row.seq), self._base, masked=seen != EVERYTHING)

    def _id(self, seq: int) -> str:
        return self._cipher.encrypt(seq.to_bytes(8, "big", signed=True), None).hex()

    def _seq(self, id_: str) -> int | None:
        try:
            return int.from_bytes(self._cipher.decrypt(bytes.fromhex(id_), None), "big", signed=True)
        except (InvalidTag, ValueError):
            return None

    def _ids(self, ids: list[str]) -> Fragment:
        return Fragment("e.seq = ANY(%s)", ([seq for id_ in ids if (seq := self._seq(id_)) is not None],))

    def _links(self, asked: Asked, page: _Shown, bound: str) -> Iterator[tuple[str, str]]:
        def at(row: Row, *, backward: bool) -> str:
            place = Place(0, (row[1].isoformat(),), row[0])
            return urlencode([*asked.kept, ("_cursor", self._signer.seal(Cursor(0, backward, place), bound))])

        yield "self", urlencode(asked.kept)
        if page.rows and (page.before or page.behind):
            yield "first", urlencode(asked.kept)
        if page.rows and page.before:
            yield "previous", at(page.rows[0], backward=True)
        if page.rows and page.behind:
            yield "next", at(page.rows[-1], backward=False)


class _Shown:
    """The rows of a page in order, and whether there are more before and behind."""

    def __init__(self, rows: list[Row], count: int, cursor: Cursor | None) -> None:
        more, page = len(rows) > count, rows[:count]
        backward = cursor is not None and cursor.backward
        self.rows = page[::-1] if backward else page
        self.before = more if backward else cursor is not None
        self.behind = True if backward else more


def visible(access: AccessContext, permission: Permission) -> Fragment:
    """The condition on rows `e` of audit_event that `access` sees: those of patients that are open to it.

    Raises Forbidden for clinicians: the trail tells of what Consents and security labels hide from them, and of what
    their colleagues do. It is for administrators, and for patients and who acts for them.
    """
    within = access.compartments(AUDIT_EVENT, permission, "k.pat")
    if within in (EVERYTHING, NOTHING):
        return within
    if access.practitioner is not None:
        raise forbidden("AuditEvents are for administrators, and for patients over their own record")
    if within == Fragment("k.pat = %s", (access.pat,)):
        return Fragment("e.patient = %s", (access.patient,))
    return Fragment(f"e.patient IN (SELECT k.id FROM patient_key k WHERE {within.sql})", within.params)


def _page_statement(asked: Asked, where: Sequence[Fragment], cursor: Cursor | None) -> Statement:
    descending = asked.newest is not (cursor is not None and cursor.backward)
    if cursor is not None and cursor.place is not None:
        sign = "<" if descending else ">"
        after = Fragment(f"(e.recorded, e.seq) {sign} (%s::timestamptz, %s)", (cursor.place.keys[0], cursor.place.pk))
        where = [*where, after]
    direction = "DESC" if descending else "ASC"
    return _all(
        f"SELECT {COLUMNS} FROM {FROM}",
        where,
        f"ORDER BY e.recorded {direction}, e.seq {direction} LIMIT {int(asked.controls.count) + 1}",
    )


def _all(select: str, where: Sequence[Fragment], rest: str = "") -> Statement:
    return Statement(
        f"{select} WHERE {' AND '.join(part.sql for part in where)} {rest}",
        tuple(param for part in where for param in part.params),
        prepare=False,
    )
