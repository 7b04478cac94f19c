"""Which Patients were merged, and which versions of what that changed: what it takes to undo it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Integer, SmallInteger, Table, Text, func, text

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work, metadata
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.store.stored import Committed

patient_merge = Table(
    "patient_merge",
    metadata,
    Column("pk", BigInteger, Identity(always=True), primary_key=True),
    Column("source", Text(collation="C"), nullable=False),  # logical ids
    Column("target", Text(collation="C"), nullable=False),
    Column("merged", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("undone", DateTime(timezone=True)),
    comment="Patients merged into others; see healix_fhir/operation/merging",
)
Index(
    "patient_merge_open",
    patient_merge.c.source,
    patient_merge.c.target,
    unique=True,
    postgresql_where=text("undone IS NULL"),
)

patient_merge_change = Table(
    "patient_merge_change",
    metadata,
    Column("merge", BigInteger, primary_key=True),
    Column("type", SmallInteger, primary_key=True),
    Column("id", Text(collation="C"), primary_key=True),
    Column("version", Integer, nullable=False),  # that the merge made; the one before it is in the history
    comment="the resources that a merge of Patients changed",
)


def opened(source: str, target: str) -> Work[int | None]:
    """The number of the merge of two Patients that is not undone; it stays so until the transaction ends."""
    rows = yield Statement(
        "SELECT pk FROM patient_merge WHERE source = %s AND target = %s AND undone IS NULL FOR UPDATE", (source, target)
    )
    return int(rows[0][0]) if rows else None


def onward(patient: str) -> Work[str | None]:
    """The Patient that this one was merged into, by a merge that is not undone."""
    rows = yield Statement("SELECT target FROM patient_merge WHERE source = %s AND undone IS NULL", (patient,))
    return str(rows[0][0]) if rows else None


def begin(source: str, target: str) -> Work[int]:
    """Note a merge; its number."""
    known = yield from opened(source, target)
    if known is not None:
        return known
    rows = yield Statement("INSERT INTO patient_merge (source, target) VALUES (%s, %s) RETURNING pk", (source, target))
    return int(rows[0][0])


def note(merge: int, done: Sequence[Committed]) -> Statement:
    """Note what a merge changed."""
    changed = [one.stored for one in done if one.changed and one.stored is not None]
    return Statement(
        """INSERT INTO patient_merge_change (merge, type, id, version)
           SELECT %s, * FROM unnest(%s::smallint[], %s::text[], %s::int[])
           ON CONFLICT (merge, type, id) DO NOTHING""",
        (
            merge,
            arrays.int2(TYPE_ID[one.type] for one in changed),
            arrays.text(one.id for one in changed),
            arrays.int4(one.version for one in changed),
        ),
    )


def end(merge: int) -> Statement:
    """Note that a merge was undone."""
    return Statement("UPDATE patient_merge SET undone = now() WHERE pk = %s", (merge,))
