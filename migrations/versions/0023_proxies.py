"""Accounts that act for patients, and what the RelatedPersons that are there say about that."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

RELATED_PERSON = 114
"""Its number in `resource.type`."""

MOMENT = """CASE length({0}) WHEN 4 THEN ({0} || '-01-01')::timestamptz WHEN 7 THEN ({0} || '-01')::timestamptz
  ELSE {0}::timestamptz END"""
WIDTH = "CASE length({0}) WHEN 4 THEN '1 year' WHEN 7 THEN '1 month' WHEN 10 THEN '1 day' ELSE '1 second' END::interval"


def upgrade() -> None:
    """Apply."""
    text = sa.Text(collation="C")
    op.create_table(
        "account_link",
        sa.Column("username", text, nullable=False),
        sa.Column("related_person", text, nullable=False),
        sa.PrimaryKeyConstraint("username", "related_person"),
        comment="for whom patients' accounts act beside their fhir_user: one RelatedPerson for each patient",
    )
    op.create_table_comment(
        "care_relationship",
        "which clinician cares, and which related person acts, for which patient; see smart_auth/stated.py",
    )
    begin, end = "r.said #>> '{period,start}'", "r.said #>> '{period,end}'"
    op.execute("SET LOCAL timezone = 'UTC'")
    op.execute(
        f"""INSERT INTO care_relationship (practitioner, pat, source, starts, ends)
            SELECT 'RelatedPerson/' || r.id, r.pat, 'RelatedPerson/' || r.id,
                   {MOMENT.format(f"({begin})")}, {MOMENT.format(f"({end})")} + {WIDTH.format(f"({end})")}
            FROM (SELECT id, pat, convert_from(body, 'UTF8')::json AS said FROM resource
                  WHERE type = {RELATED_PERSON} AND NOT deleted AND pat IS NOT NULL OFFSET 0) r
            WHERE (r.said ->> 'active') IS DISTINCT FROM 'false'"""
    )
