"""The audit trail: one row per event and patient, written in the transaction of what it records.

Rows are append-only (the database refuses UPDATE and DELETE) and are rendered as FHIR AuditEvent when read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, SmallInteger, Table, Text, func, text

from healix_fhir.kernel import arrays
from healix_fhir.kernel.arrays import Array
from healix_fhir.kernel.database import Statement, metadata

AUDIT_EVENT = "AuditEvent"
"""The resource type that the trail is served as; none is stored as other resources are."""

ACCESS_WORDS = (
    "account", "authorize", "client", "factor", "flood", "invitation", "launch", "login", "logout", "mail-address",
    "password", "register", "registration", "reset", "revoke", "second-factor", "session", "token",
)  # fmt: skip
"""The subtypes of events about who comes in, few beside those about data; they have an index of their own."""

audit_event = Table(
    "audit_event",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("recorded", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # AuditEvent.action: C create, R read, U update, D delete, E execute
    Column("action", Text, nullable=False),
    # what was done, in the words of its protocol: a FHIR interaction, a DICOMweb transaction, a DIMSE service, login
    Column("subtype", Text, nullable=False),
    # AuditEvent.outcome: 0 success, 4 minor failure (refused), 8 serious failure, 12 major failure
    Column("outcome", SmallInteger, nullable=False),
    Column("client", Text),  # OAuth client_id, or the calling AE title
    Column("account", Text),  # username
    Column("address", Text),  # network address of the caller
    Column("request", Text),  # request id, the same in log and answer
    Column("patient", Text),  # logical id of the patient concerned
    Column("entity", Text),  # "Type/id" or a DICOM UID
    Column("query", Text),  # the search as sent
    comment="append-only audit trail; see kernel/audit.py",
)
Index("audit_event_recorded", audit_event.c.recorded)
Index(
    "audit_event_access",
    audit_event.c.seq,
    postgresql_where=text(f"subtype IN ({', '.join(repr(word) for word in ACCESS_WORDS)})"),
)
Index("audit_event_patient", audit_event.c.patient, audit_event.c.seq)


class Origin(msgspec.Struct, frozen=True):
    """Who asks, from where, in which request: the part of an audit row that is the same for a whole request.

    `token` is the hash of the token that it asks with, by which what is done later sees whether that was revoked.
    """

    client: str | None = None
    account: str | None = None
    address: str | None = None
    request: str | None = None
    token: bytes | None = None


OPERATOR = Origin(client="healix-cli")
"""Who runs the operator's commands; about whom a command is, its row names as what it is about."""


class AuditRow(msgspec.Struct, frozen=True):
    """One event. `action` is AuditEvent.action, `outcome` AuditEvent.outcome (0 success, 4 refused, 8 failed)."""

    origin: Origin
    action: str
    subtype: str
    outcome: int = 0
    patient: str | None = None
    entity: str | None = None
    query: str | None = None
    recorded: datetime | None = None


def insert(source: str) -> str:
    """The statement that inserts the rows of `source`, a relation with the columns r, a, s, o, c, u, d, q, p, e, t:

    recorded (null: now), action, subtype, outcome, client, account, address, request, patient, entity, query.
    """
    return f"""INSERT INTO audit_event
  (recorded, action, subtype, outcome, client, account, address, request, patient, entity, query)
SELECT coalesce(r, now()), a, s, o, c, u, d, q, p, e, t FROM {source}"""


INSERT = insert(
    """unnest(%s::timestamptz[], %s::text[], %s::text[], %s::smallint[], %s::text[], %s::text[], %s::text[], %s::text[],
            %s::text[], %s::text[], %s::text[]) AS x (r, a, s, o, c, u, d, q, p, e, t)"""
)
"""One row for each position of the arrays that `audit_params` makes."""

UNWAITED = f"""WITH unwaited AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', TRUE) AS is_off)
{INSERT} CROSS JOIN unwaited WHERE is_off = 'off'"""
"""The same, with a commit that does not wait for the disk; it is so for the transaction of the statement alone."""

INSERT_CHANGES = insert(
    """(SELECT NULL::timestamptz, a, s, 0::smallint, c, u, d, q, p, e, NULL::text
   FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
     AS x (a, s, c, u, d, q, p, e)) AS y (r, a, s, o, c, u, d, q, p, e, t)"""
)
"""The same for what is changed now and succeeds, with the arrays of `change_params`."""

_KINDS: tuple[Callable[[Iterable[Any]], Array], ...] = (
    arrays.timestamptz,
    arrays.text,
    arrays.text,
    arrays.int2,
    *[arrays.text] * 7,
)


def audit_params(rows: Sequence[AuditRow]) -> tuple[Array, ...]:
    """The bound parameters of `INSERT`, for statements that embed it; there must be a row."""
    columns = zip(
        *[
            (
                row.recorded, row.action, row.subtype, row.outcome, row.origin.client, row.origin.account,
                row.origin.address, row.origin.request, row.patient, row.entity, row.query,
            )
            for row in rows
        ],
        strict=True,
    )  # fmt: skip
    return tuple(kind(column) for kind, column in zip(_KINDS, columns, strict=True))


def change_params(rows: Sequence[AuditRow]) -> tuple[Array, ...]:
    """The bound parameters of `INSERT_CHANGES`; there must be a row."""
    columns = zip(
        *[
            (
                row.action, row.subtype, row.origin.client, row.origin.account, row.origin.address, row.origin.request,
                row.patient, row.entity,
            )
            for row in rows
        ],
        strict=True,
    )  # fmt: skip
    return tuple(map(arrays.text, columns))


def record(rows: Sequence[AuditRow], *, waited: bool = True) -> Statement:
    """Insert any number of audit rows with one statement.

    What is not `waited` for can be lost in a crash of the machine, unless something is committed after it that is.
    """
    return Statement(INSERT if waited else UNWAITED, audit_params(rows), writes=True)
