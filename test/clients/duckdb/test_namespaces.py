"""Schemas of DuckDB are namespaces; nested ones are spelled with dots when DuckDB is asked to support them."""

import duckdb
import pytest
from conftest import TOKEN


def test_create_list_drop(duck, catalog, schema):
    duck(f"CREATE SCHEMA lake.{schema}_x")
    assert catalog.namespace_exists(f"{schema}_x")
    duck(f"CREATE SCHEMA IF NOT EXISTS lake.{schema}_x")
    found = duck("SELECT schema_name FROM information_schema.schemata WHERE catalog_name = 'lake'")
    assert {(schema,), (f"{schema}_x",)} <= set(found)
    duck(f"DROP SCHEMA lake.{schema}_x")
    assert not catalog.namespace_exists(f"{schema}_x")


def test_a_schema_that_is_there_is_not_created_again(duck, schema):
    with pytest.raises(duckdb.Error, match="already exists"):
        duck(f"CREATE SCHEMA lake.{schema}")


def test_a_schema_with_tables_is_not_dropped(duck, catalog, schema):
    duck(f"CREATE TABLE lake.{schema}.t (id INTEGER)")
    with pytest.raises(duckdb.Error, match="not empty"):
        duck(f"DROP SCHEMA lake.{schema}")
    assert catalog.table_exists((schema, "t"))


def test_nested(duckdb_process, catalog, schema):
    duck = duckdb_process.attach(TOKEN, "SUPPORT_NESTED_NAMESPACES true")
    duck(f'CREATE SCHEMA lake."{schema}.inner"')
    duck(f'CREATE SCHEMA lake."{schema}.inner.the last"')
    duck(f'CREATE TABLE lake."{schema}.inner.the last".t AS SELECT 42 AS answer')
    assert catalog.list_tables((schema, "inner", "the last")) == [(schema, "inner", "the last", "t")]
    assert duck(f'SELECT answer FROM lake."{schema}.inner.the last".t') == [(42,)]
    assert duck.tables(f"{schema}.inner.the last") == ["t"]
    duck(f'DROP TABLE lake."{schema}.inner.the last".t')
    duck(f'DROP SCHEMA lake."{schema}.inner.the last"')
    assert catalog.list_namespaces((schema, "inner")) == []


def test_listing_skips_nothing_because_of_a_neighbour(duck, catalog, schema):
    """DuckDB lists every namespace for information_schema; views and odd names in one must not break another."""
    duck(f"CREATE TABLE lake.{schema}.t (id INTEGER)")
    catalog.create_namespace(f"{schema} with spaces/é%")
    catalog.create_namespace((f"{schema} with spaces/é%", "deep"))
    assert duck.tables(schema) == ["t"]
