"""Procedure steps: scheduled ones, which are the modality worklist, and performed ones (MPPS)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

LISTED = "dataset IS NOT NULL AND state IN ('SCHEDULED', 'ARRIVED', 'READY') AND performed IN ('', 'STARTED')"


SERVICE_REQUEST = 124
ANNOUNCE = f"""
INSERT INTO outbox (topic, payload)
SELECT 'resource', convert_to(json_build_object('type', 'ServiceRequest', 'id', r.id)::text, 'UTF8')
FROM resource r WHERE r.type = {SERVICE_REQUEST} AND NOT r.deleted"""


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[str]:
    server_default = None if default is None else sa.text(f"'{default}'")
    return sa.Column(name, sa.Text(collation="C"), nullable=nullable, server_default=server_default)


def _texts(name: str, *, empty: bool = True) -> sa.Column[list[str]]:
    default = sa.text("'{}'") if empty else None
    return sa.Column(name, postgresql.ARRAY(sa.Text(collation="C")), nullable=False, server_default=default)


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)


def upgrade() -> None:
    """Apply; the orders that are there are announced, so that those of images come onto the worklist."""
    op.create_table(
        "scheduled_step",
        sa.Column("pk", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        _text("request", nullable=True),
        sa.Column("request_pk", sa.BigInteger()),
        sa.Column("pat", sa.BigInteger()),
        _text("patient_id", default=""),
        _text("issuer", default=""),
        _text("step_id", nullable=True),
        _text("accession", default=""),
        _text("study_uid", default=""),
        _texts("stations"),
        _text("modality", default=""),
        _text("starts", default=""),
        _text("state"),
        _text("performed", default=""),
        _texts("sources"),
        sa.Column("dataset", sa.LargeBinary()),
        _moment("updated"),
        sa.PrimaryKeyConstraint("pk"),
        sa.UniqueConstraint("request"),
        sa.UniqueConstraint("step_id"),
        comment="one row for each Scheduled Procedure Step",
    )
    op.create_index("scheduled_step_listed", "scheduled_step", ["starts", "pk"], postgresql_where=sa.text(LISTED))
    for column in ("study_uid", "accession", "patient_id", "pat"):
        op.create_index(f"scheduled_step_{column}", "scheduled_step", [column])
    op.create_index("scheduled_step_sources", "scheduled_step", ["sources"], postgresql_using="gin")
    op.create_table(
        "performed_step",
        sa.Column("pk", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        _text("uid"),
        sa.Column("pat", sa.BigInteger()),
        _text("patient_id"),
        _text("issuer"),
        _text("state"),
        _text("reason", nullable=True),
        _text("aet", nullable=True),
        _texts("study_uids", empty=False),
        sa.Column("steps", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("dataset", sa.LargeBinary(), nullable=False),
        _moment("created"),
        _moment("updated"),
        sa.PrimaryKeyConstraint("pk"),
        sa.UniqueConstraint("uid"),
        comment="one row for each Modality Performed Procedure Step",
    )
    for column in ("study_uids", "steps"):
        op.create_index(f"performed_step_{column}", "performed_step", [column], postgresql_using="gin")
    for column in ("patient_id", "pat"):
        op.create_index(f"performed_step_{column}", "performed_step", [column])
    op.execute(ANNOUNCE)
