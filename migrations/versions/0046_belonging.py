"""What somebody belongs to, as a function: the planner took the recursion for the dearest part of every search."""

from __future__ import annotations

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

BELONGING = """
CREATE FUNCTION belonging(members text[]) RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
  WITH RECURSIVE hb (actor) AS (SELECT unnest(members) COLLATE "C" UNION
    SELECT hm.actor FROM hb JOIN actor_member hm ON hm.member = hb.actor
    WHERE (hm.starts IS NULL OR hm.starts <= now()) AND (hm.ends IS NULL OR hm.ends > now()))
  SELECT array_agg(hb.actor) FROM hb
$$"""


def upgrade() -> None:
    """Apply."""
    op.execute(BELONGING)
