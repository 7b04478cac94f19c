"""Conditions on concepts as SQL: of one row of `concept`, and as the numbers of all concepts that fulfil them.

`concept.below` has the numbers of a concept and of everything below it, so that what hierarchies ask is set algebra of
multiranges: no concept is read for it.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-filter-operator.html, hl7.org/fhir/R4/codesystem.html#properties
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from healix_fhir.kernel import arrays
from healix_fhir.kernel.arrays import Array
from healix_fhir.kernel.conditions import EVERYTHING, NOTHING, all_of, any_of, negate
from healix_fhir.kernel.database import Fragment
from healix_fhir.kernel.errors import invalid
from healix_fhir.terminology.catalog import System
from healix_fhir.terminology.conditions import (
    All,
    Always,
    Among,
    Any,
    Condition,
    Elsewhere,
    Exists,
    InUse,
    Not,
    Passing,
    keys,
)
from healix_fhir.terminology.patterns import whole
from healix_fhir.terminology.sets import Codes, Filter, Operator

ITSELF = ("concept", "code")
"""Names under which a filter means the concept, not one of its properties."""
HIERARCHY = (Operator.IS_A, Operator.DESCENDENT_OF, Operator.IS_NOT_A, Operator.GENERALIZES)
SNOMED = "http://snomed.info/sct"
INDEXED = 200
"""So many characters of a value of a property are in the index of values."""
REFSET = "refset"
"""The property that has the reference sets of a concept. Spec: FHIR R4, hl7.org/fhir/R4/snomedct.html#filters"""


def holds(condition: Condition, system: System | None, *, key: str, c: str = "c") -> Fragment:
    """The condition on the concept with the key `key`, an SQL expression, and its row `c`, which may be null.

    Without a system there is no such row: only lists can be asked.
    """
    match condition:
        case Always(true):
            return EVERYTHING if true else NOTHING
        case All(conditions):
            return all_of(holds(one, system, key=key, c=c) for one in conditions)
        case Any(conditions):
            return any_of(holds(one, system, key=key, c=c) for one in conditions)
        case Not(inner):
            return negate(holds(inner, system, key=key, c=c))
        case Among(codes):
            folds = system is not None and not system.case_sensitive
            return Fragment(f"{key} = ANY(%s::text[])", (_keys(codes, folds=folds),))
        case Exists():
            return NOTHING if system is None else Fragment(f"{c}.n IS NOT NULL")
        case InUse():
            return EVERYTHING if system is None else Fragment(f"{c}.inactive IS NOT TRUE")
        case Passing(found):
            return NOTHING if system is None else passes(found, system, c)
        case Elsewhere(other, inner):
            o = f"{c}o"
            there = holds(inner, other, key=f"{o}.key", c=o)
            same = f"{o}.key = {key}" if other.case_sensitive else f"{o}.key = lower({key})"
            return Fragment(
                f"EXISTS (SELECT FROM concept {o} WHERE {o}.system = %s AND {same} AND {there.sql})",
                (other.id, *there.params),
            )


@lru_cache(maxsize=256)
def _keys(codes: Codes, *, folds: bool) -> Array:
    return arrays.text(keys(codes, folds=folds))


def passes(found: Filter, system: System, c: str) -> Fragment:
    """The condition that the concept `c` passes a filter. Raises Invalid for one that makes no sense."""
    if found.operator in HIERARCHY:
        return _hierarchical(found, system, c)
    if found.operator is Operator.NOT_IN:
        return negate(passes(Filter(found.property, Operator.IN, found.value), system, c))
    if found.operator is Operator.EXISTS:
        there = _has(found.property, system, c, Compared(EVERYTHING))
        return there if found.value == "true" else negate(there)
    return _has(found.property, system, c, _compared(found, system))


def _hierarchical(found: Filter, system: System, c: str) -> Fragment:
    if found.property not in ITSELF:
        raise invalid(
            f"the filter {found.operator} is for the concept itself, not for '{found.property[:64]}'",
            code="not-supported",
        )
    key = system.key(found.value)
    if found.operator is Operator.GENERALIZES:
        return Fragment(f"{c}.below @> {_anchor('x.n')}", (system.id, key))
    below = Fragment(f"{c}.n <@ {_anchor(BELOW)}", (system.id, key))
    if found.operator is Operator.IS_NOT_A:
        return negate(below)
    if found.operator is Operator.IS_A:
        return below
    return all_of([below, Fragment(f"{c}.key <> %s", (key,))])


BELOW = "(ARRAY[x.below])[1]"
"""What is below a concept, taken out of its row: there it would be unpacked for each row that it is compared with."""


def _anchor(what: str) -> str:
    """What the concept `x` with a key has."""
    return f"(SELECT {what} FROM concept x WHERE x.system = %s AND x.key = %s)"


@dataclass(frozen=True, slots=True)
class Compared:
    """How `{v}`, a value, compares; where it is one of several, `beginning` has how these begin, as the index does."""

    condition: Fragment
    beginning: Array | None = None

    def of(self, value: str) -> Fragment:
        """The condition on `value`, an SQL expression."""
        return Fragment(self.condition.sql.format(v=value), self.condition.params)


def _compared(found: Filter, system: System) -> Compared:
    if found.operator is Operator.REGEX:
        return Compared(Fragment("{v} ~ %s", (whole(found.value),)))
    values = found.value.split(",") if found.operator is Operator.IN else [found.value]
    values = [value.strip() for value in values]
    if found.property in (*ITSELF, "parent", "child"):
        values = [system.key(value) for value in values]
    equal = Fragment("{v} = ANY(%s::text[])", (arrays.text(values),))
    return Compared(equal, arrays.text(value[:INDEXED] for value in values))


def _has(name: str, system: System, c: str, compared: Compared) -> Fragment:
    """The condition that the concept has a value of the property `name` that is `compared`."""
    if name in ITSELF:
        if compared.beginning is None:
            return compared.of(f"{c}.code")
        itself = compared.of(f"{c}.key")
        return any_of([itself, _property(REFSET, system, c, compared)]) if system.url == SNOMED else itself
    if name in _undefined(system):
        raise invalid(f"the filter '{name[:64]}' of {system.url[:200]} cannot be applied here", code="not-supported")
    if name in COLUMNS:
        return compared.of(COLUMNS[name].format(c=c))
    if name in LINKS:
        value = compared.of("x.key")
        return Fragment(LINKS[name].format(c=c, value=value.sql), value.params)
    return _property(name, system, c, compared)


@lru_cache(maxsize=256)
def _undefined(system: System) -> frozenset[str]:
    """The filters that a code system declares and that are none of its properties: what they select only it knows."""
    about = system.about
    properties = {
        one.get("code")
        for each in (about, *(one.about for one in system.supplements))
        for one in each.get("property", ())
    }
    return frozenset(one["code"] for one in about.get("filter", ()) if "code" in one) - properties - KNOWN


def _property(name: str, system: System, c: str, compared: Compared) -> Fragment:
    value = compared.of("p.value")
    if compared.beginning is not None:
        begins = Fragment(f"left(p.value, {INDEXED}) = ANY(%s::text[])", (compared.beginning,))
        value = all_of([begins, value])
    own = Fragment(
        f"EXISTS (SELECT FROM concept_property p WHERE p.system = {c}.system AND p.n = {c}.n AND p.code = %s"
        f" AND {value.sql})",
        (name, *value.params),
    )
    if not system.supplements:
        return own
    added = Fragment(
        "EXISTS (SELECT FROM concept y JOIN concept_property p ON p.system = y.system AND p.n = y.n"
        f" WHERE y.system = ANY(%s::int[]) AND y.key = ANY(ARRAY[{c}.key, {c}.code]) AND p.code = %s AND {value.sql})",
        (arrays.int4(one.id for one in system.supplements), name, *value.params),
    )
    return any_of([own, added])


COLUMNS: Mapping[str, str] = {
    "display": "{c}.display",
    "definition": "{c}.definition",
    "inactive": "{c}.inactive::text",
    "notSelectable": "{c}.abstract::text",
}
"""Properties that every concept has."""
LINKS: Mapping[str, str] = {
    "parent": (
        "EXISTS (SELECT FROM concept_parent l JOIN concept x ON x.system = l.system AND x.n = l.parent"
        " WHERE l.system = {c}.system AND l.n = {c}.n AND {value})"
    ),
    "child": (
        "EXISTS (SELECT FROM concept_parent l JOIN concept x ON x.system = l.system AND x.n = l.n"
        " WHERE l.system = {c}.system AND l.parent = {c}.n AND {value})"
    ),
}
"""Properties that are the hierarchy."""
KNOWN = frozenset({*ITSELF, *COLUMNS, *LINKS})
"""Properties of every code system."""


def spans(condition: Condition, system: System) -> Fragment | None:
    """The numbers of just the concepts that fulfil the condition, as a multirange; None where concepts must be read."""
    match condition:
        case Always(true):
            return _whole(system) if true else Fragment("'{}'::int4multirange")
        case Exists():
            return _whole(system)
        case InUse():
            return _less(_whole(system), marked("inactive", system))
        case All(conditions):
            return _joined("*", [one for one in conditions if one != Exists()], system)
        case Any(conditions):
            return _joined("+", conditions, system)
        case Not(inner):
            return _less(_whole(system), spans(inner, system))
        case Passing(Filter(name, operator, value)) if operator in SPANS and name in ITSELF:
            return SPANS[operator](system, value)
        case _:
            return None


def marked(mark: str, system: System) -> Fragment:
    """The numbers of the concepts that are `inactive`, or `abstract`."""
    return Fragment(f"(SELECT s.{mark} FROM code_system s WHERE s.id = %s)", (system.id,))


def without(found: Fragment, taken: Fragment) -> Fragment:
    """The numbers that are in one multirange and not in another."""
    return _strung("-", [found, taken])


def bound(condition: Condition, system: System) -> Fragment | None:
    """A multirange outside of which the condition holds of nothing, where hierarchies give one."""
    exact = spans(condition, system)
    if exact is not None or not isinstance(condition, All):
        return exact
    each = (spans(one, system) for one in condition.conditions if one != Exists())
    known = [found for found in each if found is not None]
    return _strung("*", known) if known else None


def _joined(operator: str, conditions: Sequence[Condition], system: System) -> Fragment | None:
    parts = [spans(one, system) for one in conditions]
    known = [part for part in parts if part is not None]
    return _strung(operator, known) if len(known) == len(parts) else None


def _strung(operator: str, parts: list[Fragment]) -> Fragment:
    sql = f" {operator} ".join(part.sql for part in parts)
    return Fragment(f"({sql})", tuple(param for part in parts for param in part.params))


def _whole(system: System) -> Fragment:
    return Fragment("int4multirange(int4range(1, %s))", (system.count + 1,))


def _less(whole_: Fragment, taken: Fragment | None) -> Fragment | None:
    return None if taken is None else without(whole_, taken)


def _below(system: System, value: str) -> Fragment:
    return Fragment(f"coalesce({_anchor(BELOW)}, '{{}}'::int4multirange)", (system.id, system.key(value)))


def _itself(system: System, value: str) -> Fragment:
    one = _anchor("int4multirange(int4range(x.n, x.n + 1))")
    return Fragment(f"coalesce({one}, '{{}}'::int4multirange)", (system.id, system.key(value)))


SPANS: Mapping[Operator, Callable[[System, str], Fragment | None]] = {
    Operator.IS_A: _below,
    Operator.DESCENDENT_OF: lambda system, value: _less(_below(system, value), _itself(system, value)),
    Operator.IS_NOT_A: lambda system, value: _less(_whole(system), _below(system, value)),
}
"""Filters that are ranges."""
