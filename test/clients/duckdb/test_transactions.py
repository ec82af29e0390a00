"""Several tables in one transaction, and what becomes of transactions that lose a race."""

import duckdb
import pytest


def test_commit_of_two_tables(duck, other_duck, schema):
    for name in "ab":
        duck(f"CREATE TABLE lake.{schema}.{name} (id INTEGER)")
    duck("BEGIN")
    duck(f"INSERT INTO lake.{schema}.a VALUES (1)")
    duck(f"INSERT INTO lake.{schema}.b VALUES (2)")
    assert other_duck(f"FROM lake.{schema}.a") == []
    duck("COMMIT")
    assert other_duck(f"FROM lake.{schema}.a UNION ALL FROM lake.{schema}.b ORDER BY ALL") == [(1,), (2,)]


def test_rollback(duck, other_duck, schema):
    duck(f"CREATE TABLE lake.{schema}.t AS SELECT 1 AS id")
    duck("BEGIN")
    duck(f"DELETE FROM lake.{schema}.t")
    duck("ROLLBACK")
    assert other_duck(f"FROM lake.{schema}.t") == [(1,)]


def test_a_lost_race_changes_no_table(duck, other_duck, schema):
    for name in "ab":
        duck(f"CREATE TABLE lake.{schema}.{name} AS SELECT 0 AS id")
    duck("BEGIN")
    duck(f"INSERT INTO lake.{schema}.a VALUES (1)")
    duck(f"UPDATE lake.{schema}.b SET id = 1")
    other_duck(f"INSERT INTO lake.{schema}.b VALUES (2)")
    with pytest.raises(duckdb.Error, match="409"):
        duck("COMMIT")
    assert other_duck(f"FROM lake.{schema}.a") == [(0,)]
    assert sorted(other_duck(f"FROM lake.{schema}.b")) == [(0,), (2,)]
