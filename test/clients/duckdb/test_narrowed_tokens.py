"""DuckDB lists all namespaces and all their tables: with a narrowed token it finds those that are its own, and no error."""

import duckdb
import pytest
from conftest import Duck
from management_api import narrowed_token
from started_catalog import PROPERTIES


def token(access: str, **part) -> str:
    """For the ATTACH statement: narrowed to a part of the catalog."""
    return f"TOKEN '{narrowed_token(PROPERTIES, access, part)}'"


@pytest.fixture
def tables(duck: Duck, schema: str) -> str:
    for name in ("t", "u"):
        duck(f"CREATE TABLE lake.{schema}.{name} AS SELECT 1 AS id")
    return schema


def everything(duck: Duck) -> list[tuple]:
    return duck("SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = 'lake' ORDER BY ALL")


def test_reading_one_table(duckdb_process, tables):
    duckdb_process.attach(token("read", namespace=[tables], table="t"))
    assert everything(duckdb_process) == [(tables, "t")]
    assert duckdb_process(f"SELECT id FROM lake.{tables}.t") == [(1,)]
    for refused in (
        f"SELECT * FROM lake.{tables}.u",
        f"INSERT INTO lake.{tables}.t VALUES (2)",
        f"CREATE TABLE lake.{tables}.v (id INTEGER)",
        f"DROP TABLE lake.{tables}.t",
        "CREATE SCHEMA lake.another_schema",
    ):
        with pytest.raises(duckdb.Error):
            duckdb_process(refused)


def test_writing_one_table(duckdb_process, duck, tables):
    duckdb_process.attach(token("read-write", namespace=[tables], table="t"))
    duckdb_process(f"INSERT INTO lake.{tables}.t VALUES (2)")
    assert duck(f"SELECT id FROM lake.{tables}.t ORDER BY id") == [(1,), (2,)]


def test_one_namespace(duckdb_process, tables):
    duckdb_process.attach(token("read-write", namespace=[tables]))
    assert everything(duckdb_process) == [(tables, "t"), (tables, "u")]
    duckdb_process(f"CREATE TABLE lake.{tables}.v AS SELECT 3 AS id")
    duckdb_process(f"DROP TABLE lake.{tables}.u")
    assert everything(duckdb_process) == [(tables, "t"), (tables, "v")]
