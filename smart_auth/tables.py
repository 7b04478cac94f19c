"""The tables of identity and access."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
    text,
)

from healix_fhir.kernel.database import metadata

patient_key = Table(
    "patient_key",
    metadata,
    Column("pat", BigInteger, Identity(always=True), primary_key=True),
    Column("id", Text(collation="C"), nullable=False, unique=True),  # logical id of the Patient
    comment="surrogate keys of patients, which every row of a compartment carries",
)

care_relationship = Table(
    "care_relationship",
    metadata,
    Column("practitioner", Text(collation="C"), primary_key=True),  # logical id of the Practitioner
    Column("pat", BigInteger, primary_key=True),
    Column("source", Text(collation="C"), primary_key=True),  # "Type/id" of the resource that says so
    Column("starts", DateTime(timezone=True)),  # null: from the moment it is recorded
    Column("ends", DateTime(timezone=True)),  # null while open
    comment="which clinician cares for which patient; kept by healix_fhir/care/relationships.py",
)
Index("care_relationship_source", care_relationship.c.source)

account = Table(
    "account",
    metadata,
    Column("username", Text(collation="C"), primary_key=True),  # in lower case
    Column("role", Text, nullable=False),  # patient, practitioner or admin
    Column("fhir_user", Text),  # "Patient/ID" or "Practitioner/ID"
    Column("password_hash", Text, nullable=False),  # argon2id, in PHC form
    Column("disabled", Boolean, nullable=False, server_default=text("false")),
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="people who log in",
)

client = Table(
    "client",
    metadata,
    Column("id", Text(collation="C"), primary_key=True),  # client_id
    Column("name", Text, nullable=False),
    Column("auth", Text, nullable=False),  # token_endpoint_auth_method
    Column("secret_hash", LargeBinary),  # SHA-256 of 256 random bits; null where auth needs none
    Column("scope", Text, nullable=False),
    Column("redirect_uris", ARRAY(Text), nullable=False),
    Column("grants", ARRAY(Text), nullable=False),
    Column("jwks", Text),
    Column("jwks_uri", Text),
    Column("launch_uri", Text),
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="registered apps. Spec: RFC 7591 section 2",
)

access_token = Table(
    "access_token",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256; the token itself is nowhere
    Column("client", Text, nullable=False),  # client_id, or the name of the command that made it
    Column("username", Text(collation="C")),
    Column("scope", Text, nullable=False),
    Column("patient", Text),  # logical id of the token's Patient
    Column("pat", BigInteger),
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires", DateTime(timezone=True), nullable=False),
    Column("revoked", Boolean, nullable=False, server_default=text("false")),
    comment="opaque access tokens",
)
Index("access_token_expires", access_token.c.expires)

session = Table(
    "session",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of the cookie's secret
    Column("username", Text(collation="C"), nullable=False),
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("used", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="signed-in browsers",
)
Index("session_username", session.c.username)

login_attempt = Table(
    "login_attempt",
    metadata,
    Column("bucket", LargeBinary, primary_key=True),  # hash of what is limited: an account, an address, or both
    Column("since", DateTime(timezone=True), nullable=False),  # begin of the counting window
    Column("failures", Integer, nullable=False),
    comment="failed logins of the current window, for the throttle",
)
Index("login_attempt_since", login_attempt.c.since)
