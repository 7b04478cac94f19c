"""Which images go where by themselves, whose earlier studies are fetched, and where images came from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply; of images that are there nobody knows where they came from."""
    op.add_column("instance", sa.Column("source", C))
    op.add_column("instance", sa.Column("via", sa.ARRAY(C)))
    op.create_table(
        "route",
        sa.Column("name", C, nullable=False),
        sa.Column("action", C, nullable=False),
        sa.Column("peer", C),
        sa.Column("url", sa.Text()),
        sa.Column("token", sa.Text()),
        sa.Column("allow_private", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("modalities", sa.ARRAY(C)),
        sa.Column("stations", sa.ARRAY(sa.Text())),
        sa.Column("descriptions", sa.ARRAY(sa.Text())),
        sa.Column("callers", sa.ARRAY(C)),
        sa.Column("quiet", sa.Integer(), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        comment="which images go where by themselves; see dicomweb/routing/rules.py",
    )
    op.create_table(
        "prefetch",
        sa.Column("name", C, nullable=False),
        sa.Column("peer", C, nullable=False),
        sa.Column("modalities", sa.ARRAY(C)),
        sa.Column("prior_modalities", sa.ARRAY(C)),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("years", sa.Integer(), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        comment="whose earlier studies are fetched from where; see dicomweb/routing/priors.py",
    )
