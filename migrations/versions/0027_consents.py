"""What Consents and security labels hide."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    text = sa.Text(collation="C")
    when = sa.DateTime(timezone=True)
    op.create_table(
        "index_label",
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("label", text, nullable=False),
        sa.Column("restricted", sa.Boolean(), nullable=False),
        comment="the security labels of resources; see search/security_labels.py",
    )
    op.create_index("index_label_pk", "index_label", ["pk"])
    op.create_table(
        "consent_rule",
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("chain", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("pat", sa.BigInteger()),
        sa.Column("denies", sa.Boolean(), nullable=False),
        sa.Column("starts", when),
        sa.Column("ends", when),
        sa.Column("actors", sa.ARRAY(sa.Text())),
        sa.Column("types", sa.ARRAY(sa.Text())),
        sa.Column("type_ids", sa.ARRAY(sa.Integer())),
        sa.Column("actions", sa.ARRAY(sa.Text())),
        sa.Column("labels", sa.ARRAY(sa.Text())),
        sa.Column("data", sa.ARRAY(sa.Text())),
        comment="the provisions of active privacy Consents; see search/consent_rules.py",
    )
    op.create_index("consent_rule_pat", "consent_rule", ["pat"])
    op.create_index("consent_rule_pk", "consent_rule", ["pk", "n"])
    op.create_table(
        "actor_member",
        sa.Column("practitioner", text, nullable=False),
        sa.Column("actor", text, nullable=False),
        sa.Column("source", text, nullable=False),
        sa.Column("starts", when),
        sa.Column("ends", when),
        sa.PrimaryKeyConstraint("practitioner", "actor", "source"),
        comment="organizations, roles, teams and groups of clinicians; kept by healix_fhir/care/memberships.py",
    )
    op.create_index("actor_member_source", "actor_member", ["source"])
    op.create_table(
        "narrowing",
        sa.Column("kind", text, nullable=False),
        sa.PrimaryKeyConstraint("kind"),
        comment="the kinds of narrowing (see smart_auth/narrowing.py) that there is, or was, anything of",
    )
    op.add_column(
        "account", sa.Column("clearance", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.execute(
        """INSERT INTO reindexing (state, version, ceiling, total, ended)
           SELECT 'finished', 4, 0, 0, now() WHERE NOT EXISTS (SELECT FROM resource)"""
    )
