"""Research projects, and the apps and tokens that see their copies alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; no app is one of research before it is told to be."""
    op.create_table(
        "research_project",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("name"),
        comment="how each project de-identifies, and the secret of its pseudonyms; see dicomweb/research",
    )
    op.add_column("client", sa.Column("project", sa.BigInteger()))
    op.add_column("access_token", sa.Column("project", sa.BigInteger()))
