"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute(sa.schema.CreateSequence(sa.Sequence("resource_pk")))
    op.create_table(
        "access_token",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(collation="C"), nullable=True),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("patient", sa.Text(), nullable=True),
        sa.Column("pat", sa.BigInteger(), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        comment="opaque access tokens",
    )
    op.create_index("access_token_expires", "access_token", ["expires"], unique=False)
    op.create_table(
        "account",
        sa.Column("username", sa.Text(collation="C"), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("fhir_user", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("username"),
        comment="people who log in",
    )
    op.create_table(
        "audit_event",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("recorded", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subtype", sa.Text(), nullable=False),
        sa.Column("outcome", sa.SmallInteger(), nullable=False),
        sa.Column("client", sa.Text(), nullable=True),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("request", sa.Text(), nullable=True),
        sa.Column("patient", sa.Text(), nullable=True),
        sa.Column("entity", sa.Text(), nullable=True),
        sa.Column("query", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        comment="append-only audit trail; see kernel/audit.py",
    )
    op.create_index("audit_event_patient", "audit_event", ["patient", "seq"], unique=False)
    op.create_index("audit_event_recorded", "audit_event", ["recorded"], unique=False)
    op.create_table(
        "care_relationship",
        sa.Column("practitioner", sa.Text(collation="C"), nullable=False),
        sa.Column("pat", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("starts", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("practitioner", "pat", "source"),
        comment="which clinician cares for which patient; kept by healix_fhir/care/relationships.py",
    )
    op.create_index("care_relationship_source", "care_relationship", ["source"], unique=False)
    op.create_table(
        "client",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("auth", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=True),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("redirect_uris", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("grants", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("jwks", sa.Text(), nullable=True),
        sa.Column("jwks_uri", sa.Text(), nullable=True),
        sa.Column("launch_uri", sa.Text(), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="registered apps. Spec: RFC 7591 section 2",
    )
    op.create_table(
        "compartment",
        sa.Column("pat", sa.BigInteger(), nullable=False),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pat", "pk"),
        comment="the second and further patients of resources that are in several patient compartments",
    )
    op.create_index("compartment_pk", "compartment", ["pk"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("subscription", sa.Text(collation="C"), nullable=False),
        sa.Column("type", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        comment="notifications not yet delivered",
    )
    op.create_index("delivery_due", "delivery", ["due", "seq"], unique=False)
    op.create_index("delivery_what", "delivery", ["subscription", "type", "id", "version"], unique=True)
    op.create_table(
        "dimse_peer",
        sa.Column("aet", sa.Text(collation="C"), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("rights", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("added", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("aet"),
        comment="known DIMSE peers; see dicomweb/dimse/peers.py",
    )
    op.create_table(
        "index_date",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("lo", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hi", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pat", sa.BigInteger(), nullable=True),
        sa.Column("pk", sa.BigInteger(), nullable=False),
    )
    op.create_index("index_date_hi", "index_date", ["param", "hi", "pk"], unique=False)
    op.create_index("index_date_lo", "index_date", ["param", "lo", "pk"], unique=False)
    op.create_index("index_date_pk", "index_date", ["pk"], unique=False)
    op.create_table(
        "index_reference",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("target_type", sa.SmallInteger(), nullable=True),
        sa.Column("target", sa.Text(collation="C"), nullable=False),
        sa.Column("pat", sa.BigInteger(), nullable=True),
        sa.Column("d", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pk", sa.BigInteger(), nullable=False),
    )
    op.create_index("index_reference_pk", "index_reference", ["pk", "param"], unique=False)
    op.create_index(
        "index_reference_target", "index_reference", ["param", "target", "target_type", "d", "pk"], unique=False
    )
    op.create_table(
        "index_string",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("folded", sa.Text(collation="C"), nullable=False),
        sa.Column("exact", sa.Text(collation="C"), nullable=False),
        sa.Column("pat", sa.BigInteger(), nullable=True),
        sa.Column("pk", sa.BigInteger(), nullable=False),
    )
    op.create_index("index_string_folded", "index_string", ["param", "folded", "pk"], unique=False)
    op.create_index("index_string_pk", "index_string", ["pk"], unique=False)
    op.create_table(
        "index_token",
        sa.Column("h", sa.BigInteger(), nullable=False),
        sa.Column("sys", sa.BigInteger(), nullable=True),
        sa.Column("pat", sa.BigInteger(), nullable=True),
        sa.Column("d", sa.DateTime(timezone=True), nullable=True),
        sa.Column("d_hi", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        comment="hot tokens; every token is also in resource.toks",
    )
    op.create_index(
        "index_token_h_d", "index_token", ["h", "d", "pk"], unique=False, postgresql_include=["sys", "d_hi"]
    )
    op.create_index(
        "index_token_h_pat_d", "index_token", ["h", "pat", "d", "pk"], unique=False, postgresql_include=["sys", "d_hi"]
    )
    op.create_index("index_token_pk", "index_token", ["pk"], unique=False)
    op.create_table(
        "login_attempt",
        sa.Column("bucket", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket"),
        comment="failed logins of the current window, for the throttle",
    )
    op.create_index("login_attempt_since", "login_attempt", ["since"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        comment="events not yet handled; see kernel/outbox.py",
    )
    op.create_index("outbox_due", "outbox", ["due", "seq"], unique=False)
    op.create_table(
        "patient_key",
        sa.Column("pat", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("pat"),
        sa.UniqueConstraint("id"),
        comment="surrogate keys of patients, which every row of a compartment carries",
    )
    op.create_table(
        "resource",
        sa.Column("pk", sa.BigInteger(), server_default=sa.text("nextval('resource_pk')"), nullable=False),
        sa.Column("type", sa.SmallInteger(), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pat", sa.BigInteger(), nullable=True),
        sa.Column("d", sa.DateTime(timezone=True), nullable=True),
        sa.Column("d_hi", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("toks", sa.ARRAY(sa.BigInteger()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
        comment="the current version of each resource",
    )
    op.create_index("resource_pat_type_d", "resource", ["pat", "type", "d", "pk"], unique=False)
    op.create_index("resource_toks", "resource", ["toks"], unique=False, postgresql_using="gin")
    op.create_index("resource_type_d", "resource", ["type", "d", "pk"], unique=False)
    op.create_index("resource_type_id", "resource", ["type", "id"], unique=True)
    op.create_index("resource_type_updated", "resource", ["type", "updated", "pk"], unique=False)
    op.create_table(
        "resource_history",
        sa.Column("type", sa.SmallInteger(), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pat", sa.BigInteger(), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("type", "id", "version"),
        comment="every earlier version of each resource; the current one is in resource",
    )
    op.create_table(
        "server_key",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        comment="random keys that all nodes of one server share, by purpose",
    )
    op.create_table(
        "session",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("username", sa.Text(collation="C"), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("used", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        comment="signed-in browsers",
    )
    op.create_index("session_username", "session", ["username"], unique=False)
    op.create_table(
        "study",
        sa.Column("pk", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("pat", sa.BigInteger(), nullable=True),
        sa.Column("study_uid", sa.Text(collation="C"), nullable=False),
        sa.Column("study_date", sa.Text(collation="C"), nullable=True),
        sa.Column("study_time", sa.Text(collation="C"), nullable=True),
        sa.Column("accession_number", sa.Text(collation="C"), nullable=True),
        sa.Column("institution_name", sa.Text(collation="C"), nullable=True),
        sa.Column("referring_physician", sa.Text(collation="C"), nullable=True),
        sa.Column(
            "referring_physician_folded",
            sa.ARRAY(sa.Text(collation="C")),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("timezone_offset", sa.Text(collation="C"), nullable=True),
        sa.Column("study_description", sa.Text(collation="C"), nullable=True),
        sa.Column("patient_name", sa.Text(collation="C"), nullable=True),
        sa.Column(
            "patient_name_folded", sa.ARRAY(sa.Text(collation="C")), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("patient_id", sa.Text(collation="C"), nullable=True),
        sa.Column("patient_id_issuer", sa.Text(collation="C"), nullable=True),
        sa.Column("patient_birth_date", sa.Text(collation="C"), nullable=True),
        sa.Column("patient_sex", sa.Text(collation="C"), nullable=True),
        sa.Column("study_id", sa.Text(collation="C"), nullable=True),
        sa.Column("modalities", sa.ARRAY(sa.Text(collation="C")), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("sop_classes", sa.ARRAY(sa.Text(collation="C")), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("series_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("instance_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
        sa.UniqueConstraint("study_uid"),
        comment="one row for each study",
    )
    op.create_index("study_accession_number", "study", ["accession_number"], unique=False)
    op.create_index(
        "study_date",
        "study",
        [sa.literal_column("study_date DESC NULLS LAST"), sa.literal_column("pk DESC")],
        unique=False,
    )
    op.create_index(
        "study_pat_date",
        "study",
        ["pat", sa.literal_column("study_date DESC NULLS LAST"), sa.literal_column("pk DESC")],
        unique=False,
    )
    op.create_index("study_patient_id", "study", ["patient_id"], unique=False)
    op.create_table(
        "study_patient",
        sa.Column("patient_id", sa.Text(collation="C"), nullable=False),
        sa.Column("issuer", sa.Text(collation="C"), nullable=False),
        sa.Column("pat", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("patient_id", "issuer"),
        comment="whose studies carry a PatientID; kept by healix_fhir/imaging",
    )
    op.create_table(
        "subscription_active",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("headers", sa.LargeBinary(), nullable=False),
        sa.Column("full", sa.SmallInteger(), nullable=False),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        comment="active Subscriptions; kept by healix_fhir/subscription/activate.py",
    )
    op.create_index("subscription_active_type", "subscription_active", ["type"], unique=False)
    op.create_table(
        "series",
        sa.Column("pk", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("study_pk", sa.BigInteger(), nullable=False),
        sa.Column("series_uid", sa.Text(collation="C"), nullable=False),
        sa.Column("series_date", sa.Text(collation="C"), nullable=True),
        sa.Column("series_time", sa.Text(collation="C"), nullable=True),
        sa.Column("modality", sa.Text(collation="C"), nullable=True),
        sa.Column("manufacturer", sa.Text(collation="C"), nullable=True),
        sa.Column("series_description", sa.Text(collation="C"), nullable=True),
        sa.Column("station_name", sa.Text(collation="C"), nullable=True),
        sa.Column("body_part", sa.Text(collation="C"), nullable=True),
        sa.Column("series_number", sa.BigInteger(), nullable=True),
        sa.Column("laterality", sa.Text(collation="C"), nullable=True),
        sa.Column("performed_date", sa.Text(collation="C"), nullable=True),
        sa.Column("performed_time", sa.Text(collation="C"), nullable=True),
        sa.Column("request_attributes", sa.LargeBinary(), nullable=True),
        sa.Column(
            "scheduled_step_ids", sa.ARRAY(sa.Text(collation="C")), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column(
            "requested_procedure_ids", sa.ARRAY(sa.Text(collation="C")), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("instances_in_series", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["study_pk"], ["study.pk"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pk"),
        sa.UniqueConstraint("series_uid"),
        comment="one row for each series",
    )
    op.create_index("series_study", "series", ["study_pk"], unique=False)
    op.create_table(
        "instance",
        sa.Column("pk", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("series_pk", sa.BigInteger(), nullable=False),
        sa.Column("instance_uid", sa.Text(collation="C"), nullable=False),
        sa.Column("sop_class_uid", sa.Text(collation="C"), nullable=False),
        sa.Column("creation_date", sa.Text(collation="C"), nullable=True),
        sa.Column("creation_time", sa.Text(collation="C"), nullable=True),
        sa.Column("acquisition_date", sa.Text(collation="C"), nullable=True),
        sa.Column("content_date", sa.Text(collation="C"), nullable=True),
        sa.Column("content_time", sa.Text(collation="C"), nullable=True),
        sa.Column("transfer_syntax", sa.Text(collation="C"), nullable=False),
        sa.Column("acquisition_number", sa.BigInteger(), nullable=True),
        sa.Column("instance_number", sa.BigInteger(), nullable=True),
        sa.Column("frame_count", sa.BigInteger(), nullable=True),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.Column("column_count", sa.BigInteger(), nullable=True),
        sa.Column("bits_allocated", sa.BigInteger(), nullable=True),
        sa.Column("blob", sa.Text(collation="C"), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("layout", sa.LargeBinary(), nullable=False),
        sa.Column("metadata", sa.LargeBinary(), nullable=False),
        sa.Column("stored", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["series_pk"], ["series.pk"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pk"),
        sa.UniqueConstraint("blob"),
        sa.UniqueConstraint("instance_uid"),
        comment="one row for each SOP instance",
    )
    op.create_index("instance_series", "instance", ["series_pk"], unique=False)
    op.execute(
        """CREATE FUNCTION audit_event_append_only() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$"""
    )
    op.execute(
        """CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
           FOR EACH STATEMENT EXECUTE FUNCTION audit_event_append_only()"""
    )
