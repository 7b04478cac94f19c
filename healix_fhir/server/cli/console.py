"""How every operator's command behaves: one JSON object on stdout, logs on stderr, one-line reasons on failure."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel import log, settings
from healix_fhir.kernel.audit import OPERATOR, AuditRow, record
from healix_fhir.kernel.database import Row, at_once, one, open_pool
from healix_fhir.kernel.settings import Settings
from healix_fhir.model.json import encode
from healix_fhir.server.reasons import reasons

DataDir = Annotated[
    Path | None,
    typer.Option(help="Where the embedded database and the images live (default: HEALIX_DATA_DIR or data)."),
]


def answer(result: Mapping[str, Any]) -> None:
    """Print a command's result."""
    sys.stdout.write(orjson.dumps(result, default=_exact, option=orjson.OPT_INDENT_2).decode() + "\n")


def _exact(value: object) -> orjson.Fragment:
    """A decimal with the digits that it has."""
    if isinstance(value, Decimal):
        return orjson.Fragment(encode(value))
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def recorded(pool: ConnectionPool[Connection[Row]], action: str, what: str, entity: str | None = None) -> None:
    """Put a command into the audit trail for which nothing else does, before its answer: `what` it was, about `entity`.

    `action` is AuditEvent.action: R where it shows something.
    """
    at_once(pool, one(record([AuditRow(OPERATOR, action, "command", entity=entity, query=what.strip())])))


def configured(**overrides: Any) -> Settings:
    """The settings with a command's options over them; logging is configured."""
    loaded = settings.load(overrides)
    log.configure(loaded.log_level)
    return loaded


@contextmanager
def database(data_dir: Path | None) -> Iterator[tuple[Settings, ConnectionPool[Connection[Row]]]]:
    """The settings and a pool on the database of `data_dir`, started and migrated when it is not yet.

    The settings name that database, for processes that the command starts.
    """
    from healix_fhir.server.processes import open_database

    with reasons():
        loaded = configured(data_dir=data_dir)
        with open_database(loaded) as url, open_pool(url, size=4) as pool:
            yield dataclasses.replace(loaded, database_url=url), pool
