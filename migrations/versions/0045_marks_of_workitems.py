"""Workitems by what they hold, in one index; names by their words."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from dicomweb.workitem.keys import WORDS, keys
from dicomweb.workitem.marks import marks

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

AT_ONCE = 1000
ITEMS = sa.text("SELECT pk, dataset FROM workitem WHERE pk > :after AND dataset IS NOT NULL ORDER BY pk LIMIT :count")
MARKED = sa.text("UPDATE workitem SET marks = :marks WHERE pk = :pk")
NAMED = sa.text("INSERT INTO workitem_key (workitem, path, item, value) VALUES (:pk, :path, :item, :value)")


def upgrade() -> None:
    """Apply. Rows are made as the program makes them when this runs: that is how they are then looked for."""
    op.add_column(
        "workitem",
        sa.Column("marks", postgresql.ARRAY(sa.BigInteger()), nullable=False, server_default=sa.text("'{}'")),
    )
    connection = op.get_bind()
    after = 0
    while rows := connection.execute(ITEMS, {"after": after, "count": AT_ONCE}).all():
        found = [(pk, keys(msgspec.json.decode(dataset))) for pk, dataset in rows]
        connection.execute(MARKED, [{"pk": pk, "marks": list(marks(each))} for pk, each in found])
        words = [
            {"pk": pk, "path": key.path, "item": list(key.item), "value": key.value}
            for pk, each in found
            for key in each
            if key.path.endswith(WORDS)
        ]
        if words:
            connection.execute(NAMED, words)
        after = rows[-1].pk
    op.create_index("workitem_marks", "workitem", ["marks"], postgresql_using="gin")
    op.drop_index("workitem_key_workitem", "workitem_key")
    op.create_index("workitem_key_workitem", "workitem_key", ["workitem", "path"])
