"""What a migration says that takes away what an earlier version of the server works with.

A migration without it only adds: tables, columns that are null or have a default, indexes that refuse nothing. So
nodes of the earlier version go on working, and may be restarted, while nodes are replaced one by one. What is no longer
needed is taken away one version later, when no node needs it any more.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def needs(oldest: str) -> None:
    """Only versions whose last migration is `oldest` or a later one work on the schema from here on."""
    op.execute(sa.text("UPDATE schema_support SET oldest = :oldest").bindparams(oldest=oldest))
