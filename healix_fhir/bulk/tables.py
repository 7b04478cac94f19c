"""The tables of bulk jobs: what was asked for, by whom, how far it is, and the files that came of it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, LargeBinary, Table, Text, func, text

from healix_fhir.kernel.database import metadata

bulk_job = Table(
    "bulk_job",
    metadata,
    Column("id", Text(collation="C"), primary_key=True),  # 256 random bits
    Column("kind", Text, nullable=False),  # export or import
    Column("client", Text, nullable=False),  # whose it is: the app,
    Column("account", Text),  # and the person in whose name it asked
    Column("token", LargeBinary),  # hash of the token that it asked with
    Column("access", LargeBinary, nullable=False),  # AccessContext.captured as JSON
    Column("request", Text, nullable=False),  # the URL of the request that began it
    Column("asked", LargeBinary, nullable=False),  # bulk/asked.Export or the like as JSON
    Column("state", Text, nullable=False),  # bulk/job.State
    Column("run", Integer, nullable=False, server_default=text("0")),  # how often it was begun
    Column("done", BigInteger, nullable=False, server_default=text("0")),  # resources
    Column("note", Text, nullable=False, server_default=text("''")),  # what it is at, for people
    Column("failure", LargeBinary),  # bulk/job.Failure as JSON
    Column("place", LargeBinary),  # where an import goes on: bulk/imported.Progress as JSON
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("moment", DateTime(timezone=True)),  # the manifest's transactionTime
    Column("ended", DateTime(timezone=True)),
    Column("expires", DateTime(timezone=True)),  # of a job that has ended
    Column("next_poll", DateTime(timezone=True)),  # who asks sooner asks too often
    comment="bulk exports and imports; see bulk/job.py",
)
Index("bulk_job_client", bulk_job.c.client, bulk_job.c.state)
Index("bulk_job_expires", bulk_job.c.expires)

bulk_file = Table(
    "bulk_file",
    metadata,
    Column("job", Text(collation="C"), primary_key=True),
    Column("name", Text(collation="C"), primary_key=True),  # as in its URL
    Column("place", Integer, nullable=False),  # in the manifest
    Column("list", Text, nullable=False),  # the manifest's: output, deleted or error
    Column("type", Text),  # of the resources in it; null where they are of several
    Column("count", BigInteger, nullable=False),  # of resources
    Column("size", BigInteger, nullable=False),  # bytes
    Column("key", Text, nullable=False),  # in the file store
    comment="the files of bulk jobs that have ended",
)
