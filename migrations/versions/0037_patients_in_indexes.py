"""The patient in the indexes that are read in an order: whose a row is can then be told without looking at the row."""

from __future__ import annotations

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

INDEXES = (
    ("index_token_h_d", "index_token", ("h", "d", "pk"), ("sys", "d_hi", "pat")),
    ("index_reference_target", "index_reference", ("param", "target", "target_type", "d", "pk"), ("pat",)),
    ("resource_type_d", "resource", ("type", "d", "pk"), ("pat", "deleted")),
    ("resource_pat_type_d", "resource", ("pat", "type", "d", "pk"), ("deleted",)),
)


def upgrade() -> None:
    """Apply."""
    for name, table, columns, include in INDEXES:
        op.drop_index(name, table)
        op.create_index(name, table, list(columns), postgresql_include=list(include))
