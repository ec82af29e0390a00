"""A catalog of Spark may be the lake as it was at a moment."""

import pytest
from moments import at, now
from py4j.protocol import Py4JJavaError
from test_connections import connect


def test_a_catalog_as_it_was(spark, sql, settings, ns):
    sql(f"CREATE TABLE lake.{ns}.t (id BIGINT, name STRING) TBLPROPERTIES ('a' = '1')")
    sql(f"INSERT INTO lake.{ns}.t VALUES (1, 'a')")
    sql(f"CREATE TABLE lake.{ns}.dropped AS SELECT 7 AS id")
    sql(f"CREATE VIEW lake.{ns}.v AS SELECT id FROM lake.{ns}.t")
    sql(f"CREATE NAMESPACE lake.{ns}.inner")
    then = now()
    sql(f"INSERT INTO lake.{ns}.t VALUES (2, 'b')")
    sql(f"ALTER TABLE lake.{ns}.t ADD COLUMN more STRING")
    sql(f"ALTER TABLE lake.{ns}.t RENAME TO lake.{ns}.renamed")
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT 9 AS other")
    sql(f"DROP TABLE lake.{ns}.dropped")
    sql(f"DROP VIEW lake.{ns}.v")
    sql(f"DROP NAMESPACE lake.{ns}.inner")

    past = connect(spark, settings, warehouse=at(settings["properties"], then))
    assert sorted(row[1] for row in sql(f"SHOW TABLES IN {past}.{ns}")) == ["dropped", "t"]
    assert [row[1] for row in sql(f"SHOW VIEWS IN {past}.{ns}")] == ["v"]
    assert sql(f"SHOW NAMESPACES IN {past}.{ns}") == [(f"{ns}.inner",)]
    assert sql(f"SELECT * FROM {past}.{ns}.t") == [(1, "a")]
    assert sql(f"SELECT * FROM {past}.{ns}.dropped") == [(7,)]
    assert sql(f"SELECT * FROM lake.{ns}.renamed ORDER BY id") == [(1, "a", None), (2, "b", None)]
    for statement in (
        f"INSERT INTO {past}.{ns}.t VALUES (3, 'c')",
        f"CREATE TABLE {past}.{ns}.new (id INT)",
        f"DROP TABLE {past}.{ns}.t",
        f"CREATE NAMESPACE {past}.{ns}.new",
    ):
        with pytest.raises(Py4JJavaError, match="read as it was at position"):
            sql(statement)
    assert sql(f"SELECT * FROM lake.{ns}.t") == [(9,)]


def test_a_moment_that_is_not_there_is_refused(spark, sql, settings):
    past = connect(spark, settings, warehouse=at(settings["properties"], "2020-01-01T00:00:00Z"))
    with pytest.raises(Py4JJavaError, match="was not there at 2020"):
        sql(f"SHOW NAMESPACES IN {past}")
