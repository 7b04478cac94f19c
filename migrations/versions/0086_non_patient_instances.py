"""Objects of no patient, and the values that they are found by."""

from __future__ import annotations

from alembic import op

revision = "0086"
down_revision = "0085"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("""
        CREATE TABLE non_patient_instance (
            pk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            instance_uid text COLLATE "C" NOT NULL UNIQUE,
            sop_class_uid text COLLATE "C" NOT NULL,
            transfer_syntax text COLLATE "C" NOT NULL,
            blob text COLLATE "C" NOT NULL UNIQUE,
            size bigint NOT NULL,
            digest bytea NOT NULL,
            layout bytea NOT NULL,
            metadata bytea NOT NULL,
            marks bigint[] NOT NULL DEFAULT '{}',
            stored timestamptz NOT NULL DEFAULT now(),
            source text COLLATE "C");
        COMMENT ON TABLE non_patient_instance IS
            'one row for each SOP instance of no patient: hanging protocols, palettes, templates, protocols';
        CREATE INDEX non_patient_instance_class ON non_patient_instance (sop_class_uid, pk);
        CREATE INDEX non_patient_instance_marks ON non_patient_instance USING gin (marks);
        CREATE TABLE non_patient_key (
            instance bigint NOT NULL REFERENCES non_patient_instance (pk) ON DELETE CASCADE,
            path text COLLATE "C" NOT NULL,
            item integer[] NOT NULL,
            value text COLLATE "C" NOT NULL);
        COMMENT ON TABLE non_patient_key IS 'the values that objects of no patient are found by';
        CREATE INDEX non_patient_key_instance ON non_patient_key (instance, path);
        CREATE INDEX non_patient_key_value ON non_patient_key (path, value);
    """)
