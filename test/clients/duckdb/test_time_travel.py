"""The whole catalog attached as it was: its schemas, tables, columns and rows of one moment."""

import duckdb
import pytest
from conftest import TOKEN
from management_api import guide_to_the_past, moment_of
from started_catalog import PROPERTIES


@pytest.mark.parametrize("spelling", ["time", "position", "change"])
def test_all_is_of_one_moment(duck, duckdb_process, schema, spelling):
    duck(f"CREATE TABLE lake.{schema}.kept AS SELECT i AS id, 'n' || i AS name FROM range(3) r(i)")
    duck(f"CREATE TABLE lake.{schema}.dropped AS SELECT 8 AS id")
    past = duckdb_process.attach(TOKEN, warehouse=moment_of(PROPERTIES, schema, spelling))
    duck(f"INSERT INTO lake.{schema}.kept VALUES (3, 'n3')")
    duck(f"DELETE FROM lake.{schema}.kept WHERE id = 0")
    duck(f"ALTER TABLE lake.{schema}.kept ADD COLUMN extra INTEGER")
    duck(f"DROP TABLE lake.{schema}.dropped")
    duck(f"CREATE TABLE lake.{schema}.dropped AS SELECT 'other' AS text")
    duck(f"CREATE TABLE lake.{schema}.later AS SELECT 1 AS id")
    assert past.tables(schema) == ["dropped", "kept"]
    assert past(f"SELECT * FROM lake.{schema}.kept ORDER BY id") == [(0, "n0"), (1, "n1"), (2, "n2")]
    assert past(f"SELECT * FROM lake.{schema}.dropped") == [(8,)]
    assert [row[0] for row in past(f"DESCRIBE lake.{schema}.kept")] == ["id", "name"]
    with pytest.raises(duckdb.Error, match="later"):
        past(f"SELECT * FROM lake.{schema}.later")
    assert duck(f"SELECT id, extra FROM lake.{schema}.kept ORDER BY id") == [(1, None), (2, None), (3, None)]
    assert duck(f"SELECT * FROM lake.{schema}.dropped") == [("other",)]


def test_the_guide(duck, duckdb_process, schema):
    """One statement compares two moments."""
    duck(f"CREATE TABLE lake.{schema}.orders AS SELECT 1 AS id")
    _, guide = guide_to_the_past(PROPERTIES, "sql", moment_of(PROPERTIES, schema), schema)
    duck(f"INSERT INTO lake.{schema}.orders VALUES (2)")
    duckdb_process(f"CREATE SECRET lake (TYPE iceberg, {TOKEN})")
    duckdb_process.attach("SECRET lake")
    attach, compare = guide.strip().split("\n")
    duckdb_process(attach)
    assert duckdb_process(compare) == [(2,)]


def test_nothing_is_written(duck, duckdb_process, catalog, schema):
    duck(f"CREATE TABLE lake.{schema}.t AS SELECT 1 AS id")
    past = duckdb_process.attach(TOKEN, warehouse=moment_of(PROPERTIES, schema))
    for statement in [
        f"INSERT INTO lake.{schema}.t VALUES (2)",
        f"DELETE FROM lake.{schema}.t",
        f"ALTER TABLE lake.{schema}.t ADD COLUMN extra INTEGER",
        f"CREATE TABLE lake.{schema}.new (id INTEGER)",
        f"CREATE SCHEMA lake.{schema}_new",
        f"DROP TABLE lake.{schema}.t",
        f"DROP SCHEMA lake.{schema}",
    ]:
        with pytest.raises(duckdb.Error, match="(?i)forbidden|403|denied"):
            past(statement)
    assert duck(f"SELECT * FROM lake.{schema}.t") == [(1,)]
    assert catalog.list_tables(schema) == [(schema, "t")]


def test_unknown_moments(duckdb_process):
    for moment in ["999999999", "2999-01-01T00:00:00Z"]:
        with pytest.raises(duckdb.Error, match="404"):
            duckdb_process.attach(TOKEN, warehouse=f"{PROPERTIES['warehouse']}@{moment}")
