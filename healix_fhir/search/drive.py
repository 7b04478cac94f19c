"""Lists of the resources that fulfil a condition, read from the selective end and no further than a limit.

PostgreSQL cannot tell how many rows a condition leaves within an order and a limit. So a search lists the candidates of
its most selective condition, up to `MANY`. If they are all, it sorts them; if there are more, they lie so densely that
reading in order finds a page soon. Which of the two it is, the statement itself decides when it runs.

A chain is listed from its end: first the resources there, then what points to them. Each step is a list of its own
with the same limit, since what is cut short anywhere is not whole in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from healix_fhir.kernel.database import Fragment
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.search.alias import Row
from healix_fhir.search.content import type_mark
from healix_fhir.search.fragments import all_of, any_of, of_types, strung, union_all
from healix_fhir.search.grams import SIZE
from healix_fhir.search.links import GATE, same_url, whole
from healix_fhir.search.lower import lower
from healix_fhir.search.lower_value import stored_codes, stored_condition, stored_table
from healix_fhir.search.nodes import (
    And,
    Coded,
    Containing,
    Id,
    Linked,
    Node,
    OfType,
    Or,
    Quantity,
    Reference,
    Referring,
    String,
    StringMatch,
    Token,
    Visible,
    Words,
)
from healix_fhir.search.source import ARMS, by_key, token_condition
from smart_auth.access import AccessContext
from smart_auth.care_list import NAME as CARE

MANY = 2000
FEW = 200
"""Up to so many codes of a value set are read each in order, whatever is stored."""
DENSE = 10_000
"""More rows than this with codes of a value set are found in passing."""
RESOURCE = Row("r", "r", spans=True, each=True)
INSIDE = Row("i", "i", spans=True)


@dataclass(slots=True)
class Lists:
    """The lists of a statement as they are gathered, by name and rows (pk).

    `ends` has the name of the list of what lies at the end of a chain, by the chain's first link. `told` are those of
    which alone it must be known whether they are whole.
    """

    access: AccessContext
    ends: dict[Linked, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    _lists: list[tuple[str, Fragment]] = field(default_factory=list)
    _cut: list[str] = field(default_factory=list)
    _codes: dict[Coded, str] = field(default_factory=dict)

    def add(self, rows: Fragment) -> str:
        """A list of `rows`, cut off where it is not whole; its name."""
        name = self.add_bounded(Fragment(f"{rows.sql} LIMIT %s", (*rows.params, MANY + 1)))
        self._cut.append(name)
        return name

    def add_bounded(self, rows: Fragment) -> str:
        """A list of `rows` that are few by themselves, such as one patient's; its name."""
        name = f"list{len(self._lists)}"
        self._lists.append((name, rows))
        return name

    def codes(self, node: Coded) -> str:
        """The list of the codes that are meant and stand anywhere; its name. Each is made once."""
        key = replace(node, codes="")
        if key not in self._codes:
            self._codes[key] = self.add_bounded(stored_codes(node))
        return self._codes[key]

    def dense(self, codes: str) -> Fragment:
        """The condition that so many rows have one of the codes that a page is found soon wherever one looks.

        Only where there are many codes: the newest rows of a few are read code by code in any case.
        """
        name = f"{codes}_dense"
        few = f"LIMIT {DENSE + 1}"  # inside, so that PostgreSQL looks codes up and reads no table whole
        of_code = f"SELECT FROM index_token x WHERE x.h = k.h AND x.sys = k.sys {few}"
        rows = f"SELECT FROM {codes} k CROSS JOIN LATERAL ({of_code}) x {few}"
        if all(known != name for known, _ in self._lists):
            told = (
                f"SELECT CASE WHEN (SELECT count(*) FROM {codes}) > {FEW}"
                f" THEN (SELECT count(*) FROM ({rows}) z) > {DENSE} ELSE FALSE END AS yes"
            )
            self._lists.append((name, Fragment(told)))
        return Fragment(f"(SELECT d.yes FROM {name} d)")

    @property
    def members(self) -> list[tuple[str, Fragment]]:
        """Members of `WITH`: the lists, and whether the last and those `told` are whole, in columns of their names.

        A list is made from those before it and is whole only if they are. The list of the patients in the caller's
        care comes first, where the access needs it; nothing cuts it off.
        """
        lists = self._lists
        if (care := self.access.care_list) is not None:
            lists = [(CARE, care), *lists]
        if not self._cut:
            return lists
        counts = [Fragment(f"(SELECT count(*) FROM {name}) <= %s", (MANY,)) for name in self._cut]
        told = [
            Fragment(f"{whole.sql} AS {name}", whole.params)
            for n, name in enumerate(self._cut, start=1)
            if name in self.told or n == len(self._cut)
            for whole in [all_of(counts[:n])]
        ]
        gate = strung(", ", told)
        return [*lists, (GATE, Fragment(f"SELECT {gate.sql}", gate.params))]

    @property
    def whole(self) -> Fragment:
        """The condition that no list was cut off."""
        return whole(self._cut[-1])


def rank(node: Node) -> int | None:
    """How selective a condition is thought to be, 0 the most; None if it cannot be listed from an index."""
    match node:
        case Id():
            return 0
        case Reference():
            return 1
        case Token(hot=True, frequency=frequency) | Coded(hot=True, frequency=frequency):
            return 1 if frequency == 0 else 6
        case String(match=StringMatch.CONTAINS | StringMatch.SUFFIX, folded=folded) if len(folded) >= SIZE:
            return 4
        case String(match=StringMatch.CONTAINS | StringMatch.SUFFIX):
            return 9
        case String() | Words(query=str()) | Containing():
            return 3
        case Quantity(coded=True):
            return 5
        case Linked(node=inner) | Referring(node=inner):
            end = rank(inner)
            return min(4 + (4 if end is None else end), 10)
        case Or(nodes):
            ranks = [rank(inner) for inner in nodes]
            return None if None in ranks or not ranks else max(one for one in ranks if one is not None)
        case And(nodes):
            return min((one for one in map(rank, nodes) if one is not None), default=None)
        case _:
            return 8 if stored_table(node) is not None else None


def best(nodes: Sequence[Node]) -> Node | None:
    """The most selective of conditions that can be listed."""
    ranked = [(number, node) for node in nodes if (number := rank(node)) is not None]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def listed(node: Node, types: Sequence[int], lists: Lists) -> str:
    """Put what `node` (one that has a rank) lists of resources of `types` into `lists`; the list's name."""
    return lists.add(_rows(node, types, lists))


def _rows(node: Node, types: Sequence[int], lists: Lists) -> Fragment:
    match node:
        case Id(id_):
            of = of_types("r", types)
            return Fragment(f"SELECT r.pk FROM resource r WHERE {of.sql} AND r.id = %s", (*of.params, id_))
        case Linked():
            return _linked(node, lists)
        case Referring():
            return _referring(node, lists)
        case Or(nodes) if ids := [inner.id for inner in nodes if isinstance(inner, Id)]:
            of = of_types("r", types)
            return Fragment(f"SELECT r.pk FROM resource r WHERE {of.sql} AND r.id = ANY(%s)", (*of.params, ids))
        case Or(nodes) if len(nodes) > ARMS and (table := _one_table(nodes)) is not None:
            condition = any_of(_condition(inner) for inner in nodes)
            return Fragment(f"SELECT x.pk FROM {table} x WHERE {condition.sql}", condition.params)
        case Or(nodes):
            return union_all([_rows(inner, types, lists) for inner in nodes])
        case Containing(inner_types, nodes):
            of = of_types("i", inner_types)
            found = all_of([of, *(lower(inner, INSIDE, lists.access) for inner in nodes)])
            return Fragment(f"SELECT i.container AS pk FROM index_contained i WHERE {found.sql}", found.params)
        case And(nodes):
            return _conjunction(nodes, types, lists)
        case Words(corpus, str(query)) if len(types) <= ARMS:
            marks = " | ".join(map(type_mark, types))
            return Fragment(
                f"SELECT x.pk FROM index_words x WHERE x.{corpus.value} @@ (%s::tsquery && %s::tsquery)", (query, marks)
            )
        case Coded():
            return Fragment(f"SELECT x.pk FROM {lists.codes(node)} k JOIN index_token x ON x.h = k.h AND x.sys = k.sys")
        case _:
            condition = _condition(node)
            return Fragment(f"SELECT x.pk FROM {_table(node)} x WHERE {condition.sql}", condition.params)


def _one_table(nodes: Sequence[Node]) -> str | None:
    """The index table that holds the rows of all `nodes`; None if there is none."""
    tables = {_table(node) for node in nodes}
    return tables.pop() if len(tables) == 1 else None


def _table(node: Node) -> str | None:
    if isinstance(node, Token):
        return "index_token"
    stored = stored_table(node)
    return stored.value if stored is not None else None


def _condition(node: Node) -> Fragment:
    return token_condition(node, "x") if isinstance(node, Token) else stored_condition(node, "x")


def _conjunction(nodes: Sequence[Node], types: Sequence[int], lists: Lists) -> Fragment:
    first = best(nodes)
    assert first is not None
    of = next((node.types for node in nodes if isinstance(node, OfType)), types)
    name = listed(first, of, lists)
    rest = all_of(lower(node, RESOURCE, lists.access) for node in nodes if node is not first)
    return Fragment(f"SELECT r.pk FROM {name} c CROSS JOIN {by_key('r', 'c.pk')} WHERE {rest.sql}", rest.params)


def _end(visible: Visible, node: Node, lists: Lists, columns: str) -> str:
    """The list of visible resources at the end of a link of which `node` holds; its name."""
    type_id = TYPE_ID[visible.type_name]
    nodes = node.nodes if isinstance(node, And) else (node,)
    first = best(nodes)
    rest = [visible, *(inner for inner in nodes if inner is not first)]
    conditions = [
        Fragment("r.type = %s AND NOT r.deleted", (type_id,)),
        *(lower(inner, RESOURCE, lists.access) for inner in rest),
    ]
    condition = all_of(conditions)
    if first is None:
        return lists.add(Fragment(f"SELECT {columns} FROM resource r WHERE {condition.sql}", condition.params))
    name = listed(first, (type_id,), lists)
    return lists.add(
        Fragment(
            f"SELECT {columns} FROM (SELECT DISTINCT c.pk FROM {name} c) c CROSS JOIN {by_key('r', 'c.pk')}"
            f" WHERE {condition.sql}",
            condition.params,
        )
    )


def _linked(node: Linked, lists: Lists) -> Fragment:
    """What points to a resource at the end of the link."""
    type_id = TYPE_ID[node.target.type_name]
    end = lists.ends[node] = _end(node.target, node.node, lists, "r.pk, r.id")
    if node.url is not None:
        return Fragment(
            f"SELECT l.pk FROM {end} e JOIN {same_url('l', 'u')} ON u.pk = e.pk WHERE u.param = %s AND l.param = %s",
            (node.url, node.param),
        )
    return Fragment(
        f"SELECT l.pk FROM {end} e CROSS JOIN LATERAL (SELECT x.pk FROM index_reference x"
        " WHERE x.param = %s AND x.target = e.id AND x.target_type = %s LIMIT %s) l",
        (node.param, type_id, MANY + 1),
    )


def _referring(node: Referring, lists: Lists) -> Fragment:
    """What a resource at the end of the link points to."""
    end = _end(node.source, node.node, lists, "r.pk")
    if node.url is not None:
        return Fragment(
            f"SELECT u.pk FROM {end} e JOIN {same_url('l', 'u')} ON l.pk = e.pk WHERE u.param = %s AND l.param = %s",
            (node.url, node.param),
        )
    return Fragment(
        f"SELECT r.pk FROM {end} e CROSS JOIN LATERAL (SELECT DISTINCT x.target FROM index_reference x"
        " WHERE x.pk = e.pk AND x.param = %s AND x.target_type = %s) l"
        " JOIN resource r ON r.type = %s AND r.id = l.target",
        (node.param, node.own_type, node.own_type),
    )
