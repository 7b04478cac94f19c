"""A second step after the password: authenticator apps, recovery codes, logins that wait."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "pending_login",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("username", sa.Text(collation="C"), nullable=False),
        sa.Column("methods", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("hash"),
        comment="logins that wait for their second step",
    )
    op.create_index("pending_login_created", "pending_login", ["created"])
    op.create_table(
        "totp",
        sa.Column("username", sa.Text(collation="C"), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("proposed", sa.LargeBinary()),
        sa.Column("step", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("confirmed", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("username"),
        comment="authenticator apps. Spec: RFC 6238",
    )
    op.create_table(
        "recovery_code",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("username", sa.Text(collation="C"), nullable=False),
        sa.Column("used", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("hash"),
        comment="codes that stand in once for a lost factor",
    )
    op.create_index("recovery_code_username", "recovery_code", ["username"])
