"""What makes known, beside the rows of `compartment`, that there are resources of several patients of a type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from smart_auth.store import CHANNEL

# announced once for each type; in order, so that two writers never wait for each other in a circle
INSERTION = f"""
   several AS (
     INSERT INTO several_compartments (type) SELECT x.type FROM unnest(%s::text[]) AS x (type) ORDER BY x.type
     ON CONFLICT DO NOTHING RETURNING pg_notify('{CHANNEL}', '')),"""


def of_several(resources: Iterable[tuple[str, Sequence[int]]]) -> list[str]:
    """The types of those resources, given with the keys of their patients, that have several."""
    return sorted({type_name for type_name, patients in resources if len(patients) > 1})
