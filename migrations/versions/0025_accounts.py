"""Mail addresses of accounts, and where sessions were used last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("account", sa.Column("mail", sa.Text()))
    op.create_index("account_mail", "account", ["mail"])
    op.create_index("account_fhir_user", "account", ["fhir_user"])
    op.add_column("session", sa.Column("address", sa.Text()))
    op.add_column("session", sa.Column("agent", sa.Text()))
