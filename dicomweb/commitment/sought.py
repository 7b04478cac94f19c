"""Asking peers to take responsibility for what was sent to them: kept, asked by an errand, and what they said of it.

A peer may report hours later, on an association of its own. Its report counts for the transaction that it was asked
for, and once: one that is repeated changes nothing.

Spec: PS3.4 J.3 (2024d)
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from itertools import groupby

import msgspec
from psycopg.types.json import Jsonb

from dicomweb.commitment.references import Outcome, Reference, pack, unpack
from dicomweb.errand.queue import Kind, Wanted, ask
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import not_found

WORD = "commitment-outcome"
PATIENCE = "24 hours"
"""How long a report is waited for after the peer took the request. One that comes later still counts."""
KEPT = "90 days"
"""How long a transaction is known."""

REASONS: Mapping[int, str] = {
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0119: "class / instance conflict",
    0x0122: "referenced SOP class not supported",
    0x0131: "duplicate transaction UID",
    0x0213: "resource limitation",
}
"""Spec: PS3.3 C.14.1.1 (2024d)"""


class Sought(msgspec.Struct, frozen=True):
    """A request to a peer as it stands; `asked` is when the peer took it.

    `failed` says why instances are not committed, None before the report; `is_overdue` that it should have come.
    """

    transaction_uid: str
    references: tuple[Reference, ...]
    asked: datetime | None
    is_overdue: bool
    failed: Mapping[str, int | None] | None

    @property
    def said(self) -> str:
        """What the peer said, in words, with the first instance for each reason."""
        failed = self.failed or {}
        if not failed:
            return f"{len(self.references)} committed"
        by_reason = sorted(failed.items(), key=lambda one: (one[1] or 0, one[0]))
        parts = [f"{len(self.references) - len(failed)} committed, {len(failed)} failed"]
        for reason, members in groupby(by_reason, key=lambda one: one[1]):
            uids = [uid for uid, _ in members]
            why = "not named" if reason is None else f"{reason:04X}H {REASONS.get(reason, '')}".rstrip()
            parts.append(f"{why} ({len(uids)}, the first {uids[0]})")
        return "; ".join(parts)


def seek(aet: str, about: str, references: tuple[Reference, ...]) -> Work[None]:
    """Have the peer `aet` asked for commitment to instances, under a Transaction UID of their own."""
    uid = f"2.25.{uuid.uuid4().int}"
    yield Statement(
        "INSERT INTO commitment_sought (transaction_uid, aet, about, list) VALUES (%s, %s, %s, %s)",
        (uid, aet, about, pack(references)),
    )
    yield ask([Wanted(Kind.COMMIT, aet, about, uid)])


def find(aet: str, transaction_uid: str) -> Work[Sought | None]:
    """The transaction, if that peer was asked for it."""
    rows = yield Statement(
        f"""SELECT transaction_uid, list, asked, coalesce(asked < now() - interval '{PATIENCE}', false), failed
            FROM commitment_sought WHERE transaction_uid = %s AND aet = %s FOR UPDATE""",
        (transaction_uid, aet),
    )
    if not rows:
        return None
    uid, packed, asked, is_overdue, failed = rows[0]
    return Sought(uid, unpack(bytes(packed)), asked, is_overdue, failed)


def taken(transaction_uid: str, row: AuditRow) -> Work[None]:
    """The peer took the request, which goes on record."""
    yield Statement("UPDATE commitment_sought SET asked = now() WHERE transaction_uid = %s", (transaction_uid,))
    yield record([row])


def settle(aet: str, outcome: Outcome, origin: Origin) -> Work[None]:
    """Keep what the peer `aet` reports, audited, unless it did already. Raises NotFound for what it was not asked for.

    An instance of the request that the report does not name is not committed.
    """
    uid = outcome.transaction_uid
    sought = yield from find(aet, uid)
    if sought is None:
        raise not_found("this peer was not asked for that transaction")
    if sought.failed is not None:
        return
    failed = {
        one.sop_instance: outcome.failed.get(one.sop_instance)
        for one in sought.references
        if one.sop_instance in outcome.failed or one.sop_instance not in outcome.committed
    }
    rows = yield Statement(
        "UPDATE commitment_sought SET reported = now(), failed = %s WHERE transaction_uid = %s RETURNING about",
        (Jsonb(failed), uid),
    )
    yield ask([Wanted(Kind.COMMIT, aet, rows[0][0], uid)])
    said = f"{len(sought.references) - len(failed)} committed, {len(failed)} failed"
    yield record([AuditRow(origin, "E", WORD, outcome=4 if failed else 0, entity=uid, query=said)])


def sweep() -> Statement:
    """Forget old requests."""
    return Statement(f"DELETE FROM commitment_sought WHERE sought < now() - interval '{KEPT}'")
