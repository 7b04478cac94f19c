"""What belongs to what, each as its own resource says it; where apps have people back who signed out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; the memberships that there are stay until all are looked at again, which the job worker does."""
    op.add_column(
        "client",
        sa.Column("post_logout_redirect_uris", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.alter_column("actor_member", "practitioner", new_column_name="member")
    op.execute("UPDATE actor_member SET member = 'Practitioner/' || member")
    op.execute(
        "COMMENT ON TABLE actor_member IS 'who belongs to which role, organization, team and group;"
        " kept by healix_fhir/care/memberships.py'"
    )
    op.execute(
        """INSERT INTO outbox (topic, payload)
           SELECT 'membership', convert_to(json_build_object('type', n.name, 'id', r.id)::text, 'UTF8')
           FROM resource r JOIN (VALUES (109, 'PractitionerRole'), (100, 'Organization'),
                                        (15, 'CareTeam'), (58, 'Group')) n (type, name) ON n.type = r.type
           WHERE NOT r.deleted"""
    )
