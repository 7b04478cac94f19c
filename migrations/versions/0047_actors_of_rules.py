"""Find the rules that name a team or group, which those in care may not change then."""

from __future__ import annotations

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index("consent_rule_actors", "consent_rule", ["actors"], postgresql_using="gin")
