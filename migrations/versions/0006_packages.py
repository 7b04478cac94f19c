"""Installed FHIR packages and their definitions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    text = sa.Text(collation="C")
    op.create_table(
        "package",
        sa.Column("name", text, nullable=False),
        sa.Column("version", text, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("dependencies", sa.ARRAY(text), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("installed", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", "version"),
        comment="FHIR packages, several versions of one side by side",
    )
    op.create_table(
        "definition",
        sa.Column("pk", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("package", text, nullable=False),
        sa.Column("package_version", text, nullable=False),
        sa.Column("type", text, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("url", text, nullable=False),
        sa.Column("version", text, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["package", "package_version"],
            ["package.name", "package.version"],
            name="definition_package",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("pk"),
        comment="the conformance resources of the installed packages",
    )
    op.create_index("definition_url", "definition", ["url", "type"])
    op.create_index("definition_of_package", "definition", ["package", "package_version"])
