"""Apps that an administrator has closed, and a way to what the trail tells of accounts and apps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("client", sa.Column("disabled", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "audit_event_access",
        "audit_event",
        ["seq"],
        postgresql_where=sa.text(
            "subtype IN ('account', 'authorize', 'client', 'factor', 'flood', 'invitation', 'launch', 'login',"
            " 'logout', 'mail-address', 'password', 'register', 'registration', 'reset', 'revoke',"
            " 'second-factor', 'session', 'token')"
        ),
    )
