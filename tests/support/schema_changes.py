"""What a change of the schema takes away from servers of the version before it, told by PostgreSQL's catalogs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> ''
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')"""

_RULES = """
SELECT r.relname, c.contype::text || ' ' || pg_get_constraintdef(c.oid)
FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
WHERE r.relnamespace = 'public'::regnamespace AND c.contype <> 'n'
UNION ALL
SELECT i.indrelid::regclass::text, 'unique ' || substring(pg_get_indexdef(i.indexrelid) FROM ' USING .*')
FROM pg_index i JOIN pg_class r ON r.oid = i.indrelid
WHERE r.relnamespace = 'public'::regnamespace AND i.indisunique"""
"""Constraints and unique indexes: what refuses rows."""

_FUNCTIONS = """
SELECT oid::regprocedure::text FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"""


@dataclass(frozen=True)
class Schema:
    """Columns (type, whether null is refused, whether there is a default), rules by table, functions."""

    columns: Mapping[tuple[str, str], tuple[str, bool, bool]]
    rules: frozenset[tuple[str, str]]
    functions: frozenset[str]


def schema(connection: Connection[Any]) -> Schema:
    """The schema as it is."""
    columns = {(table, name): tuple(rest) for table, name, *rest in connection.execute(_COLUMNS)}
    rules = frozenset((table, rule) for table, rule in connection.execute(_RULES))
    return Schema(columns, rules, frozenset(name for (name,) in connection.execute(_FUNCTIONS)))


def taken_away(before: Schema, after: Schema) -> list[str]:
    """What a server of the schema `before` no longer finds, or may no longer do."""
    return sorted({*_of_columns(before, after), *_of_rules(before, after)})


def _of_columns(before: Schema, after: Schema) -> Iterator[str]:
    tables = {table for table, _ in before.columns}
    for (table, name), (kind, refuses_null, has_default) in before.columns.items():
        now = after.columns.get((table, name))
        if now is None:
            yield f"{table}.{name} is away"
        elif now[0] != kind:
            yield f"{table}.{name} is another type"
        elif now[1] and not refuses_null:
            yield f"{table}.{name} refuses null"
        elif has_default and not now[2] and now[1]:
            yield f"{table}.{name} has no default"
    for (table, name), (_, refuses_null, has_default) in after.columns.items():
        if table in tables and (table, name) not in before.columns and refuses_null and not has_default:
            yield f"{table}.{name} must be given"


def _of_rules(before: Schema, after: Schema) -> Iterator[str]:
    tables = {table for table, _ in before.columns}
    for table, rule in after.rules - before.rules:
        if table in tables:
            yield f"{table} has a rule more: {rule}"
    for table, rule in before.rules - after.rules:
        if table in {table for table, _ in after.columns} and rule.startswith(("u", "p")):
            yield f"{table} has no longer: {rule}"  # ON CONFLICT names it
    for function in before.functions - after.functions:
        yield f"{function} is away"
