"""Research projects of a test, and the copies in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.local import LocalArchive
from dicomweb.deidentify.options import Option, Profile
from dicomweb.deidentify.report import Report
from dicomweb.research.copies import make, sources
from dicomweb.research.projects import Project, create, find
from dicomweb.study.receive import Receiver
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Row, open_pool, transaction
from smart_auth.access import internal

OPERATOR = Origin(client="healix-cli")


def project(pool: ConnectionPool[Connection[Row]], name: str = "trial", *options: Option, **profile: Any) -> Project:
    """A new project."""
    transaction(pool, lambda: create(name, Profile(frozenset(options), **profile), OPERATOR))
    return transaction(pool, lambda: find(name))


def copied(
    pool: ConnectionPool[Connection[Row]], archive: LocalArchive, one: Project, studies: Sequence[str]
) -> Report:
    """Put copies of studies into a project."""
    found = transaction(pool, lambda: sources(internal("healix-cli"), studies))
    return make(pool, Receiver(archive), one, found)


def seeded(database_url: str, data_dir: Path, name: str, studies: Sequence[str]) -> Project:
    """A project with copies of what a server stores."""
    from dataclasses import replace

    from dicomweb.archive.opening import open_archive
    from healix_fhir.kernel.settings import Settings

    settings = replace(Settings(data_dir=data_dir), database_url=database_url)
    archive = open_archive(settings)
    assert isinstance(archive, LocalArchive)
    with open_pool(database_url, size=1) as pool:
        one = project(pool, name, Option.MODIFIED_DATES)
        report = copied(pool, archive, one, studies)
        assert not report.refused, report.as_text()
        return one
