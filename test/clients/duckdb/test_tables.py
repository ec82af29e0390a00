"""What DuckDB creates, changes and drops, seen through DuckDB and through PyIceberg."""

from datetime import date, datetime
from decimal import Decimal

import duckdb
import pytest


def test_create_insert_select(duck, other_duck, catalog, schema):
    duck(
        f"""CREATE TABLE lake.{schema}.t (id BIGINT NOT NULL, name VARCHAR, amount DECIMAL(10, 2), stamp TIMESTAMP,
        instant TIMESTAMPTZ, day DATE, flag BOOLEAN, ratio DOUBLE, key UUID, raw BLOB, tags VARCHAR[],
        pair STRUCT(a INTEGER, b DOUBLE), counts MAP(VARCHAR, INTEGER))"""
    )
    duck(
        f"""INSERT INTO lake.{schema}.t VALUES
        (1, 'apple', 1.50, '2026-01-02 03:04:05.000006', '2026-01-02 03:04:05+00', '2026-01-02', true, 0.5,
         'f79c3e09-677c-4bbd-a479-3f349cb785e7', 'x', ['p', 'q'], {{'a': 1, 'b': 2.5}}, MAP {{'k': 7}}),
        (9007199254740993, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"""
    )
    statement = f"SELECT id, amount, stamp, day, tags, pair, counts FROM lake.{schema}.t ORDER BY id"
    first, last = other_duck(statement)
    day = datetime(2026, 1, 2, 3, 4, 5, 6)
    assert first == (1, Decimal("1.50"), day, date(2026, 1, 2), ["p", "q"], {"a": 1, "b": 2.5}, {"k": 7})
    assert last[0] == 9007199254740993
    read = catalog.load_table((schema, "t")).scan().to_arrow().sort_by("id").to_pylist()
    assert [row["id"] for row in read] == [1, 9007199254740993]
    assert read[0]["name"] == "apple" and read[0]["raw"] == b"x"


def test_create_as_select(duck, catalog, schema):
    duck(f"CREATE TABLE lake.{schema}.t AS SELECT i AS id, 'n' || i AS name FROM range(1000) r(i)")
    assert duck(f"SELECT count(*), sum(id) FROM lake.{schema}.t") == [(1000, 499500)]
    assert catalog.load_table((schema, "t")).scan().count() == 1000


def test_update_delete_merge(duck, catalog, schema):
    table = f"lake.{schema}.t"
    duck(f"CREATE TABLE {table} AS SELECT i AS id, i AS n FROM range(100) r(i)")
    duck(f"UPDATE {table} SET n = -1 WHERE id < 10")
    duck(f"DELETE FROM {table} WHERE id >= 50")
    duck(
        f"""MERGE INTO {table} t USING (SELECT 3 AS id, 33 AS n UNION ALL SELECT 777, 7) s ON t.id = s.id
        WHEN MATCHED THEN UPDATE SET n = s.n WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.n)"""
    )
    expected = {i: -1 if i < 10 else i for i in range(50)} | {3: 33, 777: 7}
    assert dict(duck(f"SELECT id, n FROM {table}")) == expected
    read = catalog.load_table((schema, "t")).scan().to_arrow().to_pylist()
    assert {row["id"]: row["n"] for row in read} == expected


def test_partitioned(duck, catalog, schema):
    duck(f"CREATE TABLE lake.{schema}.t (id INTEGER, day DATE) PARTITIONED BY (month(day))")
    duck(f"INSERT INTO lake.{schema}.t VALUES (1, DATE '2026-01-01'), (2, DATE '2026-02-01'), (3, DATE '2026-02-09')")
    assert duck(f"SELECT id FROM lake.{schema}.t WHERE day >= DATE '2026-02-01' ORDER BY id") == [(2,), (3,)]
    table = catalog.load_table((schema, "t"))
    assert [str(field.transform) for field in table.spec().fields] == ["month"]
    assert len(table.inspect.partitions()) == 2


def test_schema_changes(duck, catalog, schema):
    table = f"lake.{schema}.t"
    duck(f"CREATE TABLE {table} AS SELECT 1::INTEGER AS id, 'x' AS name")
    duck(f"ALTER TABLE {table} ADD COLUMN extra VARCHAR")
    duck(f"ALTER TABLE {table} RENAME COLUMN name TO label")
    duck(f"INSERT INTO {table} VALUES (2, 'y', 'z')")
    assert duck(f"SELECT * FROM {table} ORDER BY id") == [(1, "x", None), (2, "y", "z")]
    duck(f"ALTER TABLE {table} DROP COLUMN extra")
    fields = catalog.load_table((schema, "t")).schema().fields
    assert [(field.name, field.field_id) for field in fields] == [("id", 1), ("label", 2)]


def test_rename_and_drop(duck, catalog, schema):
    duck(f"CREATE TABLE lake.{schema}.t AS SELECT 1 AS id")
    duck(f"ALTER TABLE lake.{schema}.t RENAME TO renamed")
    assert duck(f"SELECT id FROM lake.{schema}.renamed") == [(1,)]
    assert catalog.list_tables(schema) == [(schema, "renamed")]
    duck(f"DROP TABLE lake.{schema}.renamed")
    duck(f"DROP TABLE IF EXISTS lake.{schema}.renamed")
    assert catalog.list_tables(schema) == []


def test_odd_names(duck, catalog, schema):
    table = f'lake.{schema}."we ird/näme%.x"'
    duck(f'CREATE TABLE {table} AS SELECT 1 AS "col umn/1"')
    assert duck(f'SELECT "col umn/1" FROM {table}') == [(1,)]
    assert catalog.list_tables(schema) == [(schema, "we ird/näme%.x")]
    duck(f"DROP TABLE {table}")
    assert catalog.list_tables(schema) == []


def test_information_schema(duck, schema):
    duck(f"CREATE TABLE lake.{schema}.a (id BIGINT, name VARCHAR)")
    duck(f"CREATE TABLE lake.{schema}.b (flag BOOLEAN)")
    assert duck.tables(schema) == ["a", "b"]
    for name in "ab":
        duck(f"FROM lake.{schema}.{name}")
    columns = duck(
        f"""SELECT table_name, column_name, data_type FROM information_schema.columns
        WHERE table_catalog = 'lake' AND table_schema = '{schema}' ORDER BY ALL"""
    )
    assert columns == [("a", "id", "BIGINT"), ("a", "name", "VARCHAR"), ("b", "flag", "BOOLEAN")]


def test_format_version_3(duck, catalog, schema):
    duck(f"CREATE TABLE lake.{schema}.t (id INTEGER) WITH ('format-version' = '3')")
    duck(f"INSERT INTO lake.{schema}.t VALUES (1), (2), (3)")
    duck(f"DELETE FROM lake.{schema}.t WHERE id = 2")
    assert duck(f"SELECT id FROM lake.{schema}.t ORDER BY id") == [(1,), (3,)]
    metadata = catalog.load_table((schema, "t")).metadata
    assert metadata.format_version == 3
    assert metadata.next_row_id >= 3


def test_properties(duck, catalog, schema):
    table = f"lake.{schema}.t"
    duck(f"CREATE TABLE {table} (id INTEGER) WITH ('some.key' = 'some value')")
    assert catalog.load_table((schema, "t")).properties["some.key"] == "some value"
    duck(f"CALL set_iceberg_table_properties({table}, {{'some.key': 'changed', 'other': '1'}})")
    duck(f"CALL remove_iceberg_table_properties({table}, ['other'])")
    properties = catalog.load_table((schema, "t")).properties
    assert properties["some.key"] == "changed" and "other" not in properties


def test_a_table_that_is_there_is_not_created_again(duck, schema):
    duck(f"CREATE TABLE lake.{schema}.t AS SELECT 1 AS id")
    with pytest.raises(duckdb.Error, match="already exists"):
        duck(f"CREATE TABLE lake.{schema}.t AS SELECT 2 AS id")
    assert duck(f"FROM lake.{schema}.t") == [(1,)]
