"""Code systems and their concepts. They are put in when they are loaded, or first asked for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import INT4MULTIRANGE, TSVECTOR

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "code_system",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("source", C, nullable=False),
        sa.Column("url", C, nullable=False),
        sa.Column("version", C, nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("title", sa.Text()),
        sa.Column("content", C, nullable=False),
        sa.Column("case_sensitive", sa.Boolean(), nullable=False),
        sa.Column("hierarchy", C),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("value_set", C),
        sa.Column("about", sa.LargeBinary(), nullable=False),
        sa.Column("stamp", C, nullable=False),
        sa.Column("definition", sa.BigInteger()),
        sa.Column("resource", sa.BigInteger()),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("loaded", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["definition"], ["definition.pk"], name="code_system_definition", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("url", "version", "source", "stamp", name="code_system_once"),
        comment="code systems, several versions of one side by side",
    )
    op.create_index("code_system_of_definition", "code_system", ["definition"])
    op.create_index("code_system_of_resource", "code_system", ["resource"])
    _table(
        "concept",
        "the concepts of code systems",
        sa.Column("code", C, nullable=False),
        sa.Column("key", C, nullable=False),
        sa.Column("display", sa.Text()),
        sa.Column("definition", sa.Text()),
        sa.Column("inactive", sa.Boolean(), nullable=False),
        sa.Column("abstract", sa.Boolean(), nullable=False),
        sa.Column("below", INT4MULTIRANGE(), nullable=False),
        sa.Column("words", TSVECTOR(), nullable=False),
        sa.PrimaryKeyConstraint("system", "n"),
        sa.UniqueConstraint("system", "key", name="concept_key"),
    )
    op.create_index("concept_words", "concept", ["words"], postgresql_using="gin")
    _table(
        "concept_parent",
        "which concepts stand directly above a concept",
        sa.Column("parent", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("system", "n", "parent"),
    )
    op.create_index("concept_child", "concept_parent", ["system", "parent", "n"])
    _table(
        "concept_designation",
        "further names of concepts",
        sa.Column("language", C),
        sa.Column("use_system", C),
        sa.Column("use_code", C),
        sa.Column("use_display", sa.Text()),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.create_index("concept_designation_of", "concept_designation", ["system", "n"])
    _table(
        "concept_property",
        "properties of concepts, without those that are a place in the hierarchy",
        sa.Column("code", C, nullable=False),
        sa.Column("type", C, nullable=False),
        sa.Column("value", C, nullable=False),
        sa.Column("value_system", C),
        sa.Column("value_display", sa.Text()),
    )
    op.create_index("concept_property_of", "concept_property", ["system", "n"])
    value = sa.text("left(value, 200)")
    op.create_index("concept_property_value", "concept_property", ["system", "code", value, "n"])


def _table(name: str, comment: str, *rest: sa.Column[object] | sa.Constraint) -> None:
    op.create_table(
        name,
        sa.Column("system", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        *rest,
        sa.ForeignKeyConstraint(["system"], ["code_system.id"], ondelete="CASCADE"),
        comment=comment,
    )
