"""Which ImagingStudy resource each study has, so that what hides the one hides the other."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

NAMESPACE = uuid.UUID("5b7fbb2c-9a1e-5f57-8a39-6c1d9b0c0f3e")
"""Of the ids that the resources of studies have at this revision."""
IMAGING_STUDY = 61
AT_ONCE = 10_000

FIND = sa.text("SELECT pk, study_uid FROM study WHERE pk > :after ORDER BY pk LIMIT :count")
JOIN = sa.text(
    """UPDATE study s SET imaging_study = r.pk
       FROM unnest(CAST(:keys AS bigint[]), CAST(:ids AS text[])) AS x (pk, id)
       JOIN resource r ON r.type = :type AND r.id = x.id COLLATE "C"
       WHERE s.pk = x.pk"""
)


def upgrade() -> None:
    """Apply."""
    op.add_column("study", sa.Column("imaging_study", sa.BigInteger()))
    connection = op.get_bind()
    after = 0
    while found := connection.execute(FIND, {"after": after, "count": AT_ONCE}).all():
        keys, uids = zip(*found, strict=True)
        ids = [str(uuid.uuid5(NAMESPACE, f"ImagingStudy {uid}")) for uid in uids]
        connection.execute(JOIN, {"keys": list(keys), "ids": ids, "type": IMAGING_STUDY})
        after = keys[-1]
