"""What callers may write, asked of any number of resources at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.kernel.guard import Guard
from smart_auth.access import EVERYTHING, NOTHING


def holdable(asked: Iterable[tuple[Hashable, Fragment, Sequence[str]]]) -> Work[set[Hashable]]:
    """Which of the asked resources their callers may write: (key, condition on a patient key `n.pat`, logical ids).

    The condition is `AccessContext.compartments_of`. It must hold of every patient in whose compartment the resource
    is; here for any number of resources and callers with one statement, or none where nothing needs the database. A
    patient without a key is nobody's, and gets none by being asked about.
    """
    allowed: set[Hashable] = set()
    guard = Guard()
    waiting: list[Hashable] = []
    numbers: list[int] = []
    rows: list[int] = []
    patients: list[str] = []
    for key, predicate, ids in asked:
        if predicate == EVERYTHING:
            allowed.add(key)
        elif predicate != NOTHING and ids:
            rows += [len(waiting)] * len(ids)
            numbers += [guard.number(predicate)] * len(ids)
            patients += ids
            waiting.append(key)
    if not waiting:
        return allowed
    condition = guard.condition("x.guard")
    found = yield Statement(
        "SELECT x.asked FROM unnest(%s::int[], %s::int[], %s::text[]) AS x (asked, guard, id)"
        f" LEFT JOIN patient_key n ON n.id = x.id GROUP BY x.asked HAVING bool_and(coalesce({condition.sql}, false))",
        (rows, numbers, patients, *condition.params),
    )
    return allowed | {waiting[number] for (number,) in found}
