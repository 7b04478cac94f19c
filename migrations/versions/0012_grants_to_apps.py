"""What people allow apps, and the refresh tokens that come of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("access_token", sa.Column("grant_id", sa.Text(collation="C"), nullable=True))
    op.create_index(
        "access_token_grant", "access_token", ["grant_id"], postgresql_where=sa.text("grant_id IS NOT NULL")
    )
    op.create_table(
        "app_grant",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("client", sa.Text(collation="C"), nullable=False),
        sa.Column("username", sa.Text(collation="C"), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("session", sa.LargeBinary(), nullable=True),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("code_expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("redeemed", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code_hash"),
        comment="what a person allowed an app, and the code that says so. Spec: RFC 6749 section 1.3.1",
    )
    op.create_index("app_grant_username", "app_grant", ["username", "client"])
    op.create_table(
        "refresh_token",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("grant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("seed", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("hash"),
        comment="refresh tokens of a grant, each good for one exchange. Spec: RFC 9700 section 4.14.2",
    )
    op.create_index("refresh_token_grant", "refresh_token", ["grant_id"])
    op.create_index("refresh_token_expires", "refresh_token", ["expires"])
    op.create_table(
        "used_assertion",
        sa.Column("client", sa.Text(collation="C"), nullable=False),
        sa.Column("jti", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client", "jti"),
        comment="client assertions that must not be taken again. Spec: RFC 7523 section 3",
    )
    op.create_index("used_assertion_expires", "used_assertion", ["expires"])
