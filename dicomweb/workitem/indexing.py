"""Indexing private attributes of workitems that were written before these were searched: a durable job.

Before, the path of such a value had the tag as it stood, in whatever block; who asks names its creator. Batches are
transactions of their own, and what was indexed is not found again, so that a job that was cut off starts over.

Spec: PS3.5 7.8.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.workitem.keys import keys
from dicomweb.workitem.marks import marks
from dicomweb.workitem.rows import key_params
from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Row, Statement, Work, transaction

TASK = "workitems.index"
BATCH = 100
AS_IT_STOOD = r"(^|\.)[0-9A-F]{3}[13579BDF][1-9A-F][0-9A-F]{3}(\.|~|$)"
"""A path with a private tag whose block is told by its number. Elements below 1000 reserve blocks."""

_NEXT = """
SELECT w.pk, w.dataset FROM workitem w
WHERE w.pk > %s AND w.dataset IS NOT NULL
  AND EXISTS (SELECT FROM workitem_key k WHERE k.workitem = w.pk AND k.path ~ %s)
ORDER BY w.pk LIMIT %s FOR NO KEY UPDATE OF w"""

_RENEW = """
WITH marked AS (
       UPDATE workitem w SET marks = m.marks::bigint[] FROM unnest(%s::bigint[], %s::text[]) AS m (pk, marks)
       WHERE w.pk = m.pk),
     gone AS (DELETE FROM workitem_key WHERE workitem = ANY(%s))
INSERT INTO workitem_key (workitem, path, item, value)
SELECT x.workitem, x.path, x.item::int[], x.value
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS x (workitem, path, item, value)"""


def indexed(pool: ConnectionPool[Connection[Row]]) -> Iterator[int]:
    """Index all that is left; how many items each transaction took."""
    after: int | None = 0
    while after is not None:
        count, after = transaction(pool, lambda after=after: batch(after))  # type: ignore[misc]
        if count:
            yield count


def batch(after: int) -> Work[tuple[int, int | None]]:
    """Index the next items with keys greater than `after`: how many, and the last one if more may follow."""
    rows = yield Statement(_NEXT, (after, AS_IT_STOOD, BATCH))
    if rows:
        found = {pk: keys(msgspec.json.decode(dataset)) for pk, dataset in rows}
        owners = arrays.int8(pk for pk, made in found.items() for _ in made)
        every = [key for made in found.values() for key in made]
        marked = arrays.text("{" + ",".join(map(str, marks(made))) + "}" for made in found.values())
        yield Statement(_RENEW, (arrays.int8(found), marked, list(found), owners, *key_params(every)))
    return len(rows), rows[-1][0] if len(rows) == BATCH else None
