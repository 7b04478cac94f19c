"""Which SQL statements a piece of work costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread
from typing import Any
from unittest.mock import patch

from psycopg import AsyncCursor, Cursor


@contextmanager
def query_recorder(*, apart: str = "") -> Iterator[list[str]]:
    """A list that receives the text of every statement run inside; BEGIN and COMMIT are not in it.

    Nor are the statements of the thread named `apart`, which does something else.
    """
    recorded: list[str] = []
    execute, aexecute = Cursor.execute, AsyncCursor.execute

    def record(cursor: Any, query: Any, *args: Any, **options: Any) -> Any:
        if current_thread().name != apart:
            recorded.append(_text(query))
        return execute(cursor, query, *args, **options)

    async def arecord(cursor: Any, query: Any, *args: Any, **options: Any) -> Any:
        recorded.append(_text(query))
        return await aexecute(cursor, query, *args, **options)

    with patch.object(Cursor, "execute", record), patch.object(AsyncCursor, "execute", arecord):
        yield recorded


def _text(query: Any) -> str:
    return query.decode() if isinstance(query, bytes) else str(query)
