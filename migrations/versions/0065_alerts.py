"""Alert rules as they were read, how they stand with patients, and what is to be done when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply. PlanDefinitions and CarePlans that are there already are read with the next change of each."""
    op.execute("CREATE SEQUENCE alert_rule_stamp")
    op.create_table(
        "alert_rule",
        sa.Column("source", C, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.Column("plans", sa.LargeBinary(), nullable=False),
        sa.Column("pats", sa.ARRAY(sa.BigInteger())),
        sa.Column("starts", MOMENT),
        sa.Column("ends", MOMENT),
        sa.Column("names", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text()),
        sa.Column("failure", sa.Text()),
        sa.PrimaryKeyConstraint("source"),
        comment="alert rules as the job worker has read them; see healix_fhir/care/alerts",
    )
    op.create_index("alert_rule_stamp_at", "alert_rule", ["stamp"])
    op.create_index("alert_rule_names", "alert_rule", ["names"], postgresql_using="gin")
    op.create_table(
        "alert_state",
        sa.Column("rule", C, nullable=False),
        sa.Column("pat", sa.BigInteger(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("issue", C),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("raised", MOMENT),
        sa.Column("acknowledged", MOMENT),
        sa.Column("resolved", MOMENT),
        sa.PrimaryKeyConstraint("rule", "pat"),
        comment="how rules stand with patients; no row: nothing was raised",
    )
    op.create_index("alert_state_issue", "alert_state", ["issue"], unique=True)
    op.create_index(
        "alert_state_open",
        "alert_state",
        ["pat", "rank", "raised"],
        postgresql_where=sa.text("phase <> 'armed'"),
    )
    op.create_table(
        "alert_notice",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("issue", C, nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("due", MOMENT, nullable=False),
        sa.Column("notice", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        comment="who is still to be told of alerts",
    )
    op.create_index("alert_notice_due", "alert_notice", ["due"])
    op.create_index("alert_notice_issue", "alert_notice", ["issue", "step"], unique=True)
    op.create_table(
        "alert_look",
        sa.Column("rule", C, nullable=False),
        sa.Column("pat", sa.BigInteger(), nullable=False),
        sa.Column("due", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("rule", "pat"),
        comment="when rules with a period are looked at next for each patient",
    )
    op.create_index("alert_look_due", "alert_look", ["due"])
