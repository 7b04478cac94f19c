"""Conditions of conditional interactions: reading them, and holding others who would create under the same one back.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#ccreate, #cond-update
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl

from healix_fhir.kernel.database import Statement
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.hashing import key64
from healix_fhir.search.controls import EDGE
from healix_fhir.search.match import Condition, Match

PARAMETERS = 100
LOCKS = 0x4845414C
"""The first number of our advisory locks; the second is the slot."""
GROUPS = 16
SLOTS = 1024
"""Conditions share locks, and these stand in groups."""
FEW = 32
"""Who has more conditions than this locks whole groups. So no transaction holds more than 48 of these locks, however
many its conditions: PostgreSQL has room for 64 for each of its connections (`max_locks_per_transaction`).
"""


def of_params(type_name: str, params: Iterable[tuple[str, str]]) -> Condition:
    """The condition that stands in the query of a URL, without the parameters that are the HTTP edge's."""
    return Condition(type_name, tuple((name, value) for name, value in params if name not in EDGE))


def of_text(type_name: str, text: str) -> Condition:
    """The condition of If-None-Exist: the query of a search, also with `?` or `Type?` before it.

    Raises Invalid for another type, for what is not percent-encoded UTF-8 and for too many parameters.
    """
    before, mark, query = text.strip().rpartition("?")
    if mark and before not in ("", type_name):
        raise invalid(f"the condition must be about {type_name}, not {before[:64]}", code="value")
    try:
        params = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS)
    except ValueError as error:
        raise invalid(f"a condition is percent-encoded UTF-8, with at most {PARAMETERS} parameters") from error
    return of_params(type_name, params)


def lock(conditions: Iterable[Condition]) -> Statement:
    """Wait for every other transaction that may create under one of the conditions; hold them back until our end.

    All who lock several do so in the same order: groups first. Who locks a single slot shares its group.
    """
    slots = sorted({key64(f"{one.type}?{sorted(one.params)}") % SLOTS for one in conditions})
    groups = sorted({slot % GROUPS for slot in slots})
    few = slots if len(slots) <= FEW else []
    return Statement(
        """SELECT CASE WHEN held.shared THEN pg_advisory_xact_lock_shared(%s::int, held.slot) IS NULL
                       ELSE pg_advisory_xact_lock(%s::int, held.slot) IS NULL END
           FROM unnest(%s::int[], %s::boolean[]) AS held (slot, shared)""",
        (
            LOCKS,
            LOCKS,
            groups + [GROUPS + slot for slot in few],
            [bool(few)] * len(groups) + [False] * len(few),
        ),
    )


def one_of(condition: Condition, matches: Sequence[Match]) -> Match | None:
    """The one match, or None. Raises PreconditionFailed for several."""
    if len(matches) > 1:
        raise HealixError(
            Category.PRECONDITION_FAILED,
            f"{condition} matches more than one resource",
            code="multiple-matches",
        )
    return matches[0] if matches else None
