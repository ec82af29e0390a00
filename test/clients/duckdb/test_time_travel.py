"""DuckDB attaches the lake as it was at a moment."""

import duckdb
import pytest
from conftest import TOKEN
from moments import at, now
from started_catalog import PROPERTIES


@pytest.mark.parametrize("spelling", [str, str.lower])
def test_a_catalog_as_it_was(duck, duckdb_process, schema, spelling):
    duck(f"CREATE TABLE lake.{schema}.t (id BIGINT, name VARCHAR)")
    duck(f"INSERT INTO lake.{schema}.t VALUES (1, 'a')")
    duck(f"CREATE TABLE lake.{schema}.dropped AS SELECT 7::BIGINT AS id")
    then = now()
    duck(f"INSERT INTO lake.{schema}.t VALUES (2, 'b')")
    duck(f"DROP TABLE lake.{schema}.dropped")
    duck(f"CREATE TABLE lake.{schema}.later AS SELECT 1::BIGINT AS id")

    past = duckdb_process.attach(TOKEN, warehouse=spelling(at(PROPERTIES, then)))
    assert past.tables(schema) == ["dropped", "t"]
    assert past(f"SELECT * FROM lake.{schema}.t") == [(1, "a")]
    assert past(f"SELECT * FROM lake.{schema}.dropped") == [(7,)]
    with pytest.raises(duckdb.Error, match="read as it was at position|403|Forbidden"):
        past(f"INSERT INTO lake.{schema}.t VALUES (3, 'c')")
    assert duck(f"SELECT id FROM lake.{schema}.t ORDER BY id") == [(1,), (2,)]


def test_a_moment_that_is_not_there_is_refused(duckdb_process):
    with pytest.raises(duckdb.Error, match="404"):
        duckdb_process.attach(TOKEN, warehouse=at(PROPERTIES, 10**9))
