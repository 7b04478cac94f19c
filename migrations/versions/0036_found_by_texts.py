"""Texts of studies and series by threes of letters, names by their words, requests item by item."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from dicomweb.index.columns import gram_hashes, requests
from dicomweb.index.names import folded, words

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")
AT_ONCE = 5_000
NAMES = ("patient_name", "referring_physician")
TEXTS = ("accession_number", "institution_name", "patient_id", "study_description", "study_id")

# Rows are made as the program makes them when this runs: that is how they are then looked for.
STUDIES = sa.text(f"SELECT pk, {', '.join((*NAMES, *TEXTS))} FROM study WHERE pk > :after ORDER BY pk LIMIT :count")
STUDY = sa.text(
    """UPDATE study SET patient_name_folded = :patient_name_folded, patient_name_words = :patient_name_words,
         referring_physician_folded = :referring_physician_folded,
         referring_physician_words = :referring_physician_words, grams = :grams WHERE pk = :pk"""
)
ALL_SERIES = sa.text(
    """SELECT pk, series_description, request_attributes FROM series
       WHERE pk > :after AND (series_description IS NOT NULL OR request_attributes IS NOT NULL)
       ORDER BY pk LIMIT :count"""
)
SERIES = sa.text(
    """UPDATE series SET grams = :grams, scheduled_step_ids = :scheduled_step_ids,
         requested_procedure_ids = :requested_procedure_ids WHERE pk = :pk"""
)


def upgrade() -> None:
    """Apply."""
    none = sa.text("'{}'")
    for table in ("study", "series"):
        op.add_column(table, sa.Column("grams", postgresql.ARRAY(sa.Integer()), nullable=False, server_default=none))
    for name in NAMES:
        op.add_column("study", sa.Column(f"{name}_words", postgresql.ARRAY(C), nullable=False, server_default=none))
    connection = op.get_bind()
    after = 0
    while found := connection.execute(STUDIES, {"after": after, "count": AT_ONCE}).mappings().all():
        connection.execute(STUDY, [_study(dict(row)) for row in found])
        after = found[-1]["pk"]
    after = 0
    while found := connection.execute(ALL_SERIES, {"after": after, "count": AT_ONCE}).mappings().all():
        connection.execute(SERIES, [_series(dict(row)) for row in found])
        after = found[-1]["pk"]
    op.create_index("study_modalities", "study", ["modalities"], postgresql_using="gin")
    op.create_index("study_grams", "study", ["grams"], postgresql_using="gin")
    op.create_index("series_grams", "series", ["grams"], postgresql_using="gin")
    op.drop_index("series_study", "series")
    op.create_index("series_study", "series", ["study_pk", "pk"])
    op.drop_index("instance_series", "instance")
    op.create_index("instance_series", "instance", ["series_pk", "pk"])


def _study(row: dict[str, Any]) -> dict[str, Any]:
    for name in NAMES:
        row[f"{name}_folded"], row[f"{name}_words"] = folded(row[name] or ""), words(row[name] or "")
    return row | {"grams": gram_hashes(row)}


def _series(row: dict[str, Any]) -> dict[str, Any]:
    encoded = row["request_attributes"]
    return row | requests(bytes(encoded) if encoded else None) | {"grams": gram_hashes(row)}
