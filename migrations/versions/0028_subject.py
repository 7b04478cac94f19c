"""A random identifier of each account for apps, and the visit that is chosen in an authorization request."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    random = sa.text("(gen_random_uuid())::text")
    op.add_column("account", sa.Column("subject", sa.Text(), server_default=random, nullable=False))
    op.create_unique_constraint("account_subject_key", "account", ["subject"])
    op.add_column("authorization_request", sa.Column("encounter", sa.Text()))
