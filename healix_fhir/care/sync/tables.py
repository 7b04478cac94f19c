"""Where this site's changes and images go, and how far each of these upstreams is."""

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
    SmallInteger,
    Table,
    Text,
    func,
    text,
)

from healix_fhir.kernel.database import metadata

C = Text(collation="C")
TIME = DateTime(timezone=True)

sync_upstream = Table(
    "sync_upstream",
    metadata,
    Column("name", C, primary_key=True),
    Column("fhir", Text),  # FHIR base URL; null where only images go
    Column("dicomweb", Text),  # DICOMweb base URL; null where no images go
    Column("allow_private", Boolean, nullable=False),  # whether it may be in a private network, and without TLS
    Column("client", Text),  # client_id of SMART Backend Services
    Column("token_url", Text),  # null: told by the FHIR base's smart-configuration
    Column("key_file", Text),  # path of the client's private key, a JWK
    Column("token_file", Text),  # path of a bearer token
    Column("types", ARRAY(C)),  # resource types that go there; null: all that care is about
    Column("added", TIME, nullable=False, server_default=func.now()),
    Column("due", TIME, nullable=False, server_default=func.now()),  # it is left alone until then
    Column("failures", SmallInteger, nullable=False, server_default=text("0")),  # one after the other
    Column("reason", Text),  # why it failed when it was last tried
    Column("success", TIME),  # when it last acknowledged something
    Column("sent", BigInteger, nullable=False, server_default=text("0")),  # versions that it has acknowledged
    Column("images", BigInteger, nullable=False, server_default=text("0")),  # instances that it has acknowledged
    comment="servers that get what changes here; see healix_fhir/care/sync/upstream.py",
)

sync_change = Table(
    "sync_change",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("upstream", C, nullable=False),
    Column("type", C, nullable=False),
    Column("id", C, nullable=False),
    Column("version", Integer, nullable=False),
    Column("made", TIME, nullable=False, server_default=func.now()),
    comment="versions that an upstream has not acknowledged, in the order in which they go there",
)
Index("sync_change_next", sync_change.c.upstream, sync_change.c.seq)
Index(
    "sync_change_what",
    sync_change.c.upstream,
    sync_change.c.type,
    sync_change.c.id,
    sync_change.c.version,
    unique=True,
)

sync_known = Table(
    "sync_known",
    metadata,
    Column("upstream", C, primary_key=True),
    Column("type", C, primary_key=True),
    Column("id", C, primary_key=True),
    Column("version", Integer, nullable=False),  # of this server, the last that was acknowledged
    Column("etag", Text),  # the upstream's for it; null where it has none any more
    comment="which version of an upstream is which of this server",
)

sync_conflict = Table(
    "sync_conflict",
    metadata,
    Column("upstream", C, primary_key=True),
    Column("type", C, primary_key=True),
    Column("id", C, primary_key=True),
    Column("version", Integer, nullable=False),  # of this server, which the upstream did not take
    Column("refused", Boolean, nullable=False),  # it was not taken for what it is, not for what is there
    Column("reason", Text, nullable=False),
    Column("etag", Text),  # of theirs; null where there is none
    Column("theirs", LargeBinary),  # JSON, zstd; null where it was deleted there, or was refused
    Column("found", TIME, nullable=False, server_default=func.now()),
    comment="resources of which nothing goes to an upstream until somebody has decided; see care/sync/conflicts.py",
)

sync_study = Table(
    "sync_study",
    metadata,
    Column("upstream", C, primary_key=True),
    Column("study", C, primary_key=True),  # StudyInstanceUID
    Column("after", BigInteger, nullable=False, server_default=text("0")),  # key of the last instance that was settled
    Column("open", Boolean, nullable=False, server_default=text("true")),  # there may be more to send
    Column("unsure", Boolean, nullable=False, server_default=text("false")),  # a request was cut without an answer
    Column("refused", Integer, nullable=False, server_default=text("0")),  # instances that were not taken
    Column("reason", Text),  # why the first of them was not
    Column("asked", TIME, nullable=False, server_default=func.now()),
    Column("gone", BigInteger, nullable=False, server_default=text("0")),  # key of the last deletion that was settled
    Column("kept", Text),  # why something that was deleted here is still there
    comment="how far each study is on its way to an upstream; see healix_fhir/care/sync/images.py",
)
Index("sync_study_open", sync_study.c.upstream, sync_study.c.asked, postgresql_where=text("open"))
