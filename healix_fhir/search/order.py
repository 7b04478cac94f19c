"""The order of a search's results: sort keys, and the tie-break that makes every order total.

By default results are ordered by the type's main clinical date, the newest first, and where several types are searched
by the time of their last change. What has no value of a sort key comes last, in either direction. Of several values the
one counts that comes first in the direction asked for. Ties are broken by the order of creation, in the direction of
the first key, so that a page can go on after any row.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from healix_fhir.kernel.database import Fragment


class By(Enum):
    """Where a sort key is found."""

    DATE = "the main clinical date"
    UPDATED = "the last change"
    ID = "the logical id"
    STORED = "a narrow table, in order"
    BODY = "the resource itself"
    TYPED = "elsewhere for each type"


@dataclass(frozen=True, slots=True)
class Table:
    """A narrow table whose index (`key`, `column`, pk) holds the values of a parameter in order, under `keys`."""

    name: str
    column: str
    keys: tuple[int, ...]
    key: str = "param"

    def of(self, alias: str) -> Fragment:
        """The condition that a row holds a value of the parameter."""
        if len(self.keys) == 1:
            return Fragment(f"{alias}.{self.key} = %s", self.keys)
        return Fragment(f"{alias}.{self.key} = ANY(%s)", (list(self.keys),))

    @property
    def in_order(self) -> bool:
        """Whether all values lie in one range of the index."""
        return len(self.keys) == 1


@dataclass(frozen=True, slots=True)
class Key:
    """A sort key. `type` is the SQL type of its values, `table` where STORED ones are, `paths` of BODY ones.

    A TYPED one is another key for the resources of some types (`cases`), and missing in those of all others.
    """

    by: By
    descending: bool = False
    type: str = "timestamptz"
    table: Table | None = None
    paths: tuple[str, ...] = ()
    cases: tuple[tuple[tuple[int, ...], Key], ...] = ()

    @property
    def nullable(self) -> bool:
        """Whether a resource may have no value."""
        return self.by not in (By.UPDATED, By.ID)

    @property
    def direction(self) -> str:
        """ASC or DESC."""
        return "DESC" if self.descending else "ASC"

    def value(self, keys: str, resource: str) -> Fragment:
        """The SQL expression of the key, over the aliases of a resource's row (see search/alias)."""
        extreme = "max" if self.descending else "min"
        match self.by:
            case By.DATE:
                return Fragment(f"{keys}.d")
            case By.UPDATED:
                return Fragment(f"{resource}.updated")
            case By.ID:
                return Fragment(f"{resource}.id")
            case By.STORED:
                assert self.table is not None
                of = self.table.of("s")
                return Fragment(
                    f"(SELECT {extreme}(s.{self.table.column}) FROM {self.table.name} s"
                    f" WHERE s.pk = {keys}.pk AND {of.sql})",
                    of.params,
                )
            case By.BODY:
                return Fragment(
                    f"(SELECT {extreme}(lower(v #>> '{{}}') COLLATE \"C\")"
                    f" FROM (SELECT convert_from({resource}.body, 'UTF8')::jsonb AS j) b, unnest(%s::text[]) p,"
                    " jsonb_path_query(b.j, p::jsonpath) v)",
                    (list(self.paths),),
                )
            case By.TYPED:
                cases = [
                    Fragment(f" WHEN {resource}.type = ANY(%s::smallint[]) THEN {value.sql}", (types, *value.params))
                    for types, value in ((list(types), key.value(keys, resource)) for types, key in self.cases)
                ]
                return Fragment(
                    f"CASE{''.join(case.sql for case in cases)} END", tuple(p for case in cases for p in case.params)
                )


@dataclass(frozen=True)
class Order:
    """Sort keys, the first one first."""

    keys: tuple[Key, ...] = (Key(By.DATE, descending=True),)

    @property
    def first(self) -> Key:
        """The key that decides before all others."""
        return self.keys[0]

    @cached_property
    def reversed(self) -> Order:
        """The same order from its end; what has no value then comes first (see search/keyset)."""
        return Order(tuple(replace(key, descending=not key.descending) for key in self.keys))


NEWEST = Order()
LAST_CHANGED = Order((Key(By.UPDATED, descending=True),))
