"""Upstreams that get what changes here, and how far each of them is."""

from __future__ import annotations

from alembic import op

revision = "0074"
down_revision = "0071"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("""
        CREATE TABLE sync_upstream (
            name text COLLATE "C" NOT NULL PRIMARY KEY,
            fhir text,
            dicomweb text,
            allow_private boolean NOT NULL,
            client text,
            token_url text,
            key_file text,
            token_file text,
            types text[] COLLATE "C",
            added timestamptz NOT NULL DEFAULT now(),
            due timestamptz NOT NULL DEFAULT now(),
            failures smallint NOT NULL DEFAULT 0,
            reason text,
            success timestamptz,
            sent bigint NOT NULL DEFAULT 0,
            images bigint NOT NULL DEFAULT 0
        );
        COMMENT ON TABLE sync_upstream IS
            'servers that get what changes here; see healix_fhir/care/sync/upstream.py';
        CREATE TABLE sync_change (
            seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            upstream text COLLATE "C" NOT NULL,
            type text COLLATE "C" NOT NULL,
            id text COLLATE "C" NOT NULL,
            version integer NOT NULL,
            made timestamptz NOT NULL DEFAULT now()
        );
        COMMENT ON TABLE sync_change IS
            'versions that an upstream has not acknowledged, in the order in which they go there';
        CREATE INDEX sync_change_next ON sync_change (upstream, seq);
        CREATE UNIQUE INDEX sync_change_what ON sync_change (upstream, type, id, version);
        CREATE TABLE sync_known (
            upstream text COLLATE "C" NOT NULL,
            type text COLLATE "C" NOT NULL,
            id text COLLATE "C" NOT NULL,
            version integer NOT NULL,
            etag text,
            PRIMARY KEY (upstream, type, id)
        );
        COMMENT ON TABLE sync_known IS 'which version of an upstream is which of this server';
        CREATE TABLE sync_conflict (
            upstream text COLLATE "C" NOT NULL,
            type text COLLATE "C" NOT NULL,
            id text COLLATE "C" NOT NULL,
            version integer NOT NULL,
            refused boolean NOT NULL,
            reason text NOT NULL,
            etag text,
            theirs bytea,
            found timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (upstream, type, id)
        );
        COMMENT ON TABLE sync_conflict IS
            'resources of which nothing goes to an upstream until somebody has decided; see care/sync/conflicts.py';
        CREATE TABLE sync_study (
            upstream text COLLATE "C" NOT NULL,
            study text COLLATE "C" NOT NULL,
            after bigint NOT NULL DEFAULT 0,
            open boolean NOT NULL DEFAULT true,
            unsure boolean NOT NULL DEFAULT false,
            refused integer NOT NULL DEFAULT 0,
            reason text,
            asked timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (upstream, study)
        );
        COMMENT ON TABLE sync_study IS
            'how far each study is on its way to an upstream; see healix_fhir/care/sync/images.py';
        CREATE INDEX sync_study_open ON sync_study (upstream, asked) WHERE open
    """)
