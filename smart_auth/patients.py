"""The surrogate keys of patients, by which rows say whose compartment they are in."""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.kernel.database import Statement, Work


def patient_keys(ids: Sequence[str]) -> Work[dict[str, int]]:
    """The surrogate keys of patients by logical id, made on first use; a patient need not exist yet.

    Keys never change or go away, so callers may keep them for ever.
    """
    keys = {id_: known for id_ in ids if (known := _KNOWN.get(id_)) is not None}
    missing = sorted({id_ for id_ in ids if id_ not in keys})
    if missing:
        rows = yield Statement(
            """WITH wanted AS (SELECT DISTINCT unnest(%s::text[]) AS id),
                    made AS (INSERT INTO patient_key (id) SELECT id FROM wanted ORDER BY id
                             ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING id, pat)
               SELECT id, pat FROM made""",
            (missing,),
        )
        keys.update(rows)
    return keys


def remember(keys: dict[str, int]) -> None:
    """Keep surrogate keys in this process; only after the transaction that made them has committed."""
    if len(_KNOWN) > KNOWN_LIMIT:
        _KNOWN.clear()
    _KNOWN.update(keys)


def forget() -> None:
    """Drop the keys known in this process: another database has others."""
    _KNOWN.clear()


KNOWN_LIMIT = 200_000
_KNOWN: dict[str, int] = {}
