"""Links by which documents are sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "document_link",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("hash", sa.LargeBinary, unique=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("patient", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("access", sa.LargeBinary, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uses", sa.SmallInteger, nullable=False),
        sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("opened", sa.DateTime(timezone=True)),
        sa.Column("revoked", sa.DateTime(timezone=True)),
        comment="links by which documents are sent; see care/reports/link.py",
    )
    op.create_index("document_link_document", "document_link", ["document"])
