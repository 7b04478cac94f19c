"""The tables of alerts: which rules there are, how each stands with each patient, and what is to be done when."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Sequence,
    SmallInteger,
    Table,
    Text,
    text,
)

from healix_fhir.kernel.database import metadata

alert_rule_stamp = Sequence("alert_rule_stamp", metadata=metadata)

alert_rule = Table(
    "alert_rule",
    metadata,
    Column("source", Text(collation="C"), primary_key=True),  # Type/id of the PlanDefinition or CarePlan
    Column("version", Integer, nullable=False),  # of the source
    Column("stamp", BigInteger, nullable=False),  # from alert_rule_stamp, drawn anew with each change
    Column("plans", LargeBinary, nullable=False),  # JSON list of PlanDefinitions; empty: nothing is in force
    Column("pats", ARRAY(BigInteger)),  # for which patients; null: for all
    Column("starts", DateTime(timezone=True)),
    Column("ends", DateTime(timezone=True)),
    Column("names", ARRAY(Text), nullable=False),  # canonicals and Groups on which this depends
    Column("title", Text, nullable=False),
    Column("problem", Text),  # why it is not in force
    Column("failure", Text),  # why the evaluation failed, when it did last
    comment="alert rules as the job worker has read them; see healix_fhir/care/alerts",
)
Index("alert_rule_stamp_at", alert_rule.c.stamp)
Index("alert_rule_names", alert_rule.c.names, postgresql_using="gin")

alert_state = Table(
    "alert_state",
    metadata,
    Column("rule", Text(collation="C"), primary_key=True),  # source#name
    Column("pat", BigInteger, primary_key=True),
    Column("phase", Text, nullable=False),  # see healix_fhir/care/alerts/phase.py
    Column("at", DateTime(timezone=True), nullable=False),  # of the reading that was judged last
    Column("issue", Text(collation="C")),  # logical id of the DetectedIssue
    Column("rank", SmallInteger, nullable=False),  # its severity
    Column("raised", DateTime(timezone=True)),
    Column("acknowledged", DateTime(timezone=True)),
    Column("resolved", DateTime(timezone=True)),
    comment="how rules stand with patients; no row: nothing was raised",
)
Index("alert_state_issue", alert_state.c.issue, unique=True)
Index(
    "alert_state_open",
    alert_state.c.pat,
    alert_state.c.rank,
    alert_state.c.raised,
    postgresql_where=text("phase <> 'armed'"),
)

alert_notice = Table(
    "alert_notice",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("issue", Text(collation="C"), nullable=False),
    Column("step", SmallInteger, nullable=False),  # 0: that it was raised; n: the nth escalation
    Column("due", DateTime(timezone=True), nullable=False),
    Column("notice", LargeBinary, nullable=False),  # JSON: what to tell whom
    comment="who is still to be told of alerts",
)
Index("alert_notice_due", alert_notice.c.due)
Index("alert_notice_issue", alert_notice.c.issue, alert_notice.c.step, unique=True)

alert_look = Table(
    "alert_look",
    metadata,
    Column("rule", Text(collation="C"), primary_key=True),
    Column("pat", BigInteger, primary_key=True),
    Column("due", DateTime(timezone=True), nullable=False),
    comment="when rules with a period are looked at next for each patient",
)
Index("alert_look_due", alert_look.c.due)
