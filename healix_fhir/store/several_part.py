"""The further patients of resources that are in several compartments: their part of the write statement.

It also makes known that there are such resources of a type. Few resources have any, so that it is mostly left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from healix_fhir.kernel.arrays import Array, int4, int8, text
from smart_auth.store import CHANNEL

# announced once for each type; in order, so that two writers never wait for each other in a circle
INSERTION = f"""
   compartments AS (
     INSERT INTO compartment (pat, pk)
     SELECT x.pat, (TABLE keys)[x.n] FROM unnest(%s::int[], %s::bigint[]) AS x (n, pat)),
   several AS (
     INSERT INTO several_compartments (type) SELECT x.type FROM unnest(%s::text[]) AS x (type) ORDER BY x.type
     ON CONFLICT DO NOTHING RETURNING pg_notify('{CHANNEL}', '')),"""


def of_several(resources: Iterable[tuple[str, Sequence[int]]]) -> list[str]:
    """The types of those resources, given with the keys of their patients, that have several."""
    return sorted({type_name for type_name, patients in resources if len(patients) > 1})


def params(types: Sequence[str], patients: Iterable[Sequence[int]]) -> list[Array]:
    """The parameters of `INSERTION`, for resources in the order of their positions; none where it is left out."""
    if not types:
        return []
    further = [(n, pat) for n, keys in enumerate(patients, 1) for pat in keys[1:]]
    return [int4(n for n, _ in further), int8(pat for _, pat in further), text(types)]
