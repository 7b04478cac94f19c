"""`healix partition`: hash partitions for the tables of a very large database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from healix_fhir.server.cli.console import DataDir, answer, configured, recorded
from healix_fhir.server.reasons import reasons, stop


def partition_command(
    parts: Annotated[int | None, typer.Option("--parts", min=2, max=64, help="Into how many parts.")] = None,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Take away what was begun and is not done; the tables are as they were.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Divide the tables of resources and of their search index into hash partitions. The server has to be stopped.

    For databases of more than some hundred million resources; smaller ones become slower by it. Cut off and started
    again, it goes on where it was. There has to be as much room on the disk as the tables take.
    """
    import time

    import msgspec
    import psycopg
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from healix_fhir.kernel.database import open_pool
    from healix_fhir.server.partition import convert

    if (parts is None) != abandon:
        stop("say into how many --parts, or --abandon what was begun")
    with reasons(), _database(data_dir) as url:
        began = time.monotonic()
        with psycopg.connect(url, autocommit=True) as connection:
            if parts is None:
                convert.abandon(connection)
                answered: dict[str, object] = {"parts": 0}
            else:
                convert.prepare(connection, parts)
                columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
                with Progress(*columns, console=Console(file=sys.stderr)) as bar:
                    task = bar.add_task("Partitioning", total=None)
                    for step in convert.convert(connection):
                        bar.update(task, description=step.what, total=max(step.total, 1), completed=step.pages)
                answered = msgspec.to_builtins(convert.result(connection))
        with open_pool(url, size=1) as pool:
            recorded(pool, "E", "partition --abandon" if parts is None else f"partition --parts {parts}")
        answer(answered | {"seconds": round(time.monotonic() - began, 1)})


@contextmanager
def _database(data_dir: Path | None) -> Iterator[str]:
    """The URL of the database, running, and migrated unless it is being partitioned."""
    import psycopg

    from healix_fhir.kernel import embedded
    from healix_fhir.server.migrate import migrate
    from healix_fhir.server.partition.convert import under_way

    settings = configured(data_dir=data_dir)
    server = None if settings.database_url else embedded.start(settings.data_dir)
    try:
        url = settings.database_url or (server.get_uri() if server else "")
        with psycopg.connect(url, autocommit=True) as connection:
            begun = under_way(connection)
        if not begun:
            migrate(url)
        yield url
    finally:
        if server is not None:
            server.cleanup()
