"""Which tables are divided into hash partitions, by which column, and the statements that make their twins.

The index is divided by patient: who searches within one record reads one part. What is looked up by key is divided by
key, so that a look-up finds its part from what it knows, and no row ever moves when its resource gets another patient.
Earlier versions are looked up by the logical id. PostgreSQL makes a key of a divided table unique only if the column
that divides it is in the key: that a logical id is given once for each type is therefore kept in `resource_id`, which
triggers write.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from psycopg import Connection

from healix_fhir.kernel.database import Row

SCHEMA = "partitioning"
"""Where the twins stand until they take the place of the tables."""
DIRECTORY = "resource_id"


class Divided(NamedTuple):
    """A table that is divided by `key`; its rows are `columns` of the table `source`."""

    name: str
    key: str
    source: str
    columns: str = "*"


def _of(key: str, *names: str) -> tuple[Divided, ...]:
    return tuple(Divided(name, key, name) for name in names)


DIVIDED = (
    *_of("pk", "resource", "index_words"),
    Divided(DIRECTORY, "id", "resource", "type, id, pk"),
    *_of("id", "resource_history"),
    *_of("pat", "index_token", "index_string", "index_date", "index_reference", "index_quantity", "index_position"),
)
TABLES = tuple(dict.fromkeys(table.source for table in DIVIDED))
"""The tables that twins take the place of."""

_GUARD = f"""
CREATE FUNCTION {SCHEMA}.refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the tables are being partitioned'; END $$"""


def twins(parts: int) -> Iterator[str]:
    """The statements that make the twins, without indexes, and keep everybody from writing to the tables."""
    yield _GUARD
    for name in TABLES:
        yield f"""CREATE TRIGGER partitioning BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.{name}
            FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.refuse()"""
    for table in DIVIDED:
        made = f"{SCHEMA}.{table.name}"
        if table.name == DIRECTORY:
            columns = '(type smallint NOT NULL, id text COLLATE "C" NOT NULL, pk bigint NOT NULL)'
        else:
            columns = f"(LIKE public.{table.name} INCLUDING ALL EXCLUDING INDEXES)"
        yield f"CREATE TABLE {made} {columns} PARTITION BY HASH ({table.key})"
        for number in range(parts):
            yield (
                f"CREATE TABLE {made}_{number} PARTITION OF {made}"
                f" FOR VALUES WITH (MODULUS {parts}, REMAINDER {number})"
            )
    yield f"COMMENT ON TABLE {SCHEMA}.{DIRECTORY} IS 'the logical ids that are given, each once for its type'"


_INDEXES = """
SELECT c.relname, CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid)
  ELSE format('ALTER TABLE public.%%I ADD CONSTRAINT %%I %%s', r.relname, k.conname, pg_get_constraintdef(k.oid)) END
FROM pg_index i JOIN pg_class r ON r.oid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid
WHERE i.indrelid = to_regclass(%s) ORDER BY i.indexrelid"""


def indexes(connection: Connection[Row], table: Divided) -> list[tuple[str, str]]:
    """The indexes that a twin gets, each with the statement that makes it: those of the table as it is.

    Of resources the one of logical ids is not unique: the directory is.
    """
    if table.name == DIRECTORY:
        name = f"{DIRECTORY}_pkey"
        return [(name, f"ALTER TABLE {SCHEMA}.{DIRECTORY} ADD CONSTRAINT {name} PRIMARY KEY (type, id)")]
    found = connection.execute(_INDEXES, (f"public.{table.name}",)).fetchall()
    return [(name, _of_twin(name, made)) for name, made in found]


def _of_twin(name: str, made: str) -> str:
    made = made.replace(" public.", f" {SCHEMA}.", 1)
    return made.replace("CREATE UNIQUE INDEX", "CREATE INDEX") if name == "resource_type_id" else made


KEPT = (
    f"""CREATE FUNCTION {DIRECTORY}_put() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.{DIRECTORY} (type, id, pk) SELECT type, id, pk FROM made; RETURN NULL; END $$""",
    f"""CREATE FUNCTION {DIRECTORY}_taken() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN DELETE FROM public.{DIRECTORY} d USING gone g WHERE d.type = g.type AND d.id = g.id;
    RETURN NULL; END $$""",
    f"""CREATE FUNCTION {DIRECTORY}_emptied() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN TRUNCATE public.{DIRECTORY}; RETURN NULL; END $$""",
    f"""CREATE TRIGGER {DIRECTORY}_emptied AFTER TRUNCATE ON resource
    FOR EACH STATEMENT EXECUTE FUNCTION {DIRECTORY}_emptied()""",
    f"""CREATE TRIGGER {DIRECTORY}_put AFTER INSERT ON resource REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION {DIRECTORY}_put()""",
    f"""CREATE TRIGGER {DIRECTORY}_taken AFTER DELETE ON resource REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION {DIRECTORY}_taken()""",
)
"""What keeps the directory: a second resource of a logical id is refused as by a unique index of resources."""


_SEQUENCES = """
SELECT format('ALTER SEQUENCE %%s OWNED BY ', d.objid::regclass), format('%%s.%%I', c.oid::regclass, a.attname)
FROM pg_depend d JOIN pg_class c ON c.oid = d.refobjid JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a'
  AND c.oid = ANY(%s::regclass[])"""


def places(connection: Connection[Row], parts: int) -> Iterator[str]:
    """The statements that put the twins in the place of the tables. Counters of columns stay those of the columns."""
    owned = connection.execute(_SEQUENCES, ([f"public.{name}" for name in TABLES],)).fetchall()
    for sequence, _ in owned:
        yield f"{sequence} NONE"
    for name in TABLES:
        yield f"DROP TABLE public.{name}"
    for table in DIVIDED:
        for name in (table.name, *(f"{table.name}_{number}" for number in range(parts))):
            yield f"ALTER TABLE {SCHEMA}.{name} SET SCHEMA public"
    for sequence, column in owned:
        yield sequence + column
    yield from KEPT
    yield f"DROP SCHEMA {SCHEMA} CASCADE"


def given_up() -> Iterator[str]:
    """The statements that take the twins away, and let the tables be written again."""
    yield f"DROP SCHEMA {SCHEMA} CASCADE"  # and with it the triggers, which call its function
